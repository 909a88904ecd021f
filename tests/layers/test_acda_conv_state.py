"""ACDAConv's checkpoints, copies, dtypes and initialisation."""
import copy
import pickle

import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv

from .cases import CONV2D_KEYS, HYPER_PARAMETERS, build, draw, every_layer


@every_layer
def test_state_dict_round_trip(options):
    source, target = build(options, seed=0), build(options, seed=1)
    source(draw(4, 4, 9, 9))  # moves the running statistics
    x = draw(2, 4, 9, 9, seed=2)
    assert not torch.equal(source.eval()(x), target.eval()(x))
    missing, unexpected = target.load_state_dict(source.state_dict())
    assert not missing and not unexpected
    assert torch.equal(source(x), target(x))


def test_checkpoint_keys():
    norm = ('weight', 'bias', 'running_mean', 'running_var',
            'num_batches_tracked')
    keys = {
        'weight', 'bias', '_extra_state', 'atom_generator.conv1.weight',
        'atom_generator.conv2.weight',
        *(f'atom_generator.norm{n}.{name}' for n in (1, 2) for name in norm)
    }
    assert set(build(dict(kernel_size=3)).state_dict()) == keys
    assert set(build(dict(kernel_size=3, bias=False)).state_dict()) == \
        keys - {'bias'}
    assert set(build(dict(kernel_size=1)).state_dict()) == {'weight', 'bias'}


@pytest.mark.parametrize('options', [
    HYPER_PARAMETERS[name]
    for name in ('plain', 'direct', 'own-bases', 'pointwise', 'no-bias')
])
@pytest.mark.parametrize('duplicate', [
    copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))
], ids=('deepcopy', 'pickle'))
def test_copies(options, duplicate):
    layer = build(options).eval()
    x = draw(2, 4, 7, 7)
    twin = duplicate(layer)
    assert torch.equal(twin(x), layer(x))
    twin.weight.data.zero_()
    assert layer.weight.any()
    assert repr(twin) == repr(layer)


@pytest.mark.parametrize('dtype', (torch.float32, torch.float64,
                                   torch.bfloat16))
def test_floating_dtypes(dtype):
    layer = build(HYPER_PARAMETERS['drop-in'], dtype=dtype)
    x = draw(2, 4, 8, 8).to(dtype).requires_grad_()
    output = layer(x)
    assert output.dtype == dtype
    output.square().mean().backward()
    for name, tensor in [('input', x), *layer.named_parameters()]:
        assert tensor.grad.dtype == dtype, name
        assert tensor.grad.isfinite().all(), name


@pytest.mark.parametrize('name', ('drop-in', 'direct', 'pointwise',
                                  'groups-2'))
def test_cpu_autocast(name):
    layer = build(HYPER_PARAMETERS[name], dtype=torch.float32)
    x = draw(2, 4, 8, 8).float().requires_grad_()
    expected = layer(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = layer(x)
    assert output.dtype == torch.bfloat16
    scale = expected.abs().max()
    assert (output - expected).abs().max() < 0.05 * scale
    output.float().square().mean().backward()
    for key, tensor in [('input', x), *layer.named_parameters()]:
        assert tensor.grad.dtype == torch.float32, key
        assert tensor.grad.isfinite().all() and tensor.grad.any(), key


@pytest.mark.parametrize('options', [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=3, padding=1, scales=(3, 5, 7)),
    dict(kernel_size=7, padding=3),
    dict(kernel_size=5, padding=2, atom_bases=None),
    dict(kernel_size=3, padding=1, groups=8),
    dict(kernel_size=3, padding=1, num_atoms=1, num_bases=3),
    dict(kernel_size=3, padding=1, stride=2),
    dict(kernel_size=1),
])
def test_initial_variance_is_kaimings(options):
    """Of the output, against a Kaiming-normal Conv2d (fan in, ReLU)."""
    torch.manual_seed(0)
    x = torch.randn(8, 32, 16, 16)
    conv_options = {k: v for k, v in options.items() if k in CONV2D_KEYS}
    conv = nn.Conv2d(32, 64, **conv_options, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
    layer = ACDAConv(32, 64, **options)
    assert not layer.bias.any()
    inner = slice(4, -4) if layer.stride == (1, 1) else slice(2, -2)
    ours, kaimings = (f(x)[:, :, inner, inner].var().item()
                      for f in (layer, conv))
    assert kaimings == pytest.approx(2, rel=0.15)
    assert ours == pytest.approx(kaimings, rel=0.3)


def test_parameter_count():
    """Composition C' * C * m + C'; generator 3 x 3, 3 x 3 with two norms."""
    layer = ACDAConv(16, 32, 3, padding=1, scales=(3, 5, 7))
    generator = 9 * 16 * 64 + 2 * 64 + 9 * 64 * 108 + 2 * 108
    composition = 32 * 16 * 6 + 32
    count = sum(p.numel() for p in layer.parameters())
    assert count == composition + generator
    pointwise = ACDAConv(16, 32, 1)
    assert sum(p.numel() for p in pointwise.parameters()) == 16 * 32 + 32

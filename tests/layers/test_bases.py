"""The layer's bases: right whatever is done to it, and told in files."""
import copy
import pickle

import pytest
import torch
import torch.nn as nn
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from mmacda.layers import ACDAConv
from mmacda.ops import fourier_bessel_bases

from .cases import HYPER_PARAMETERS, build, draw

OPTIONS = dict(kernel_size=3, padding=1, scales=(3, 5))
EXACT = fourier_bessel_bases((3, 5), 6)
KEY = '_extra_state'


def assert_exact(layer):
    bases, weight = layer.atom_bases, layer.weight
    assert (bases.device, bases.dtype) == (weight.device, weight.dtype)
    assert torch.equal(bases, EXACT.to(weight.dtype))


def from_meta(layer):
    with torch.device('meta'):
        twin = ACDAConv(4, 8, **OPTIONS)
    twin.to_empty(device='cpu')
    twin.load_state_dict(layer.state_dict())
    return twin


def assigned(layer):
    with torch.device('meta'):
        twin = ACDAConv(4, 8, **OPTIONS)
    twin.load_state_dict(layer.state_dict(), assign=True)
    return twin


def reset_from_meta(layer):
    twin = copy.deepcopy(layer).to('meta').to_empty(device='cpu')
    twin.reset_parameters()
    twin.load_state_dict(layer.state_dict())
    return twin


def halved(layer):
    twin = copy.deepcopy(layer).half().float()
    twin.load_state_dict(layer.state_dict())
    return twin


def with_default_dtype(layer):
    torch.set_default_dtype(torch.float64)
    try:
        twin = ACDAConv(4, 8, **OPTIONS).float()
    finally:
        torch.set_default_dtype(torch.float32)
    twin.load_state_dict(layer.state_dict())
    return twin


def swapped(layer):
    """The weight alone has changed, as FSDP and DeepSpeed do it."""
    twin = copy.deepcopy(layer).bfloat16()
    for module in twin.modules():
        for name, value in [*module.named_parameters(recurse=False)]:
            setattr(module, name, nn.Parameter(value.float()))
        for name, value in module.named_buffers(recurse=False):
            if value.is_floating_point():
                setattr(module, name, value.float())
    twin.load_state_dict(layer.state_dict())
    return twin


WAYS = [from_meta, assigned, reset_from_meta, halved, with_default_dtype,
        swapped, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)),
        lambda x: copy.deepcopy(x).double().float()]


@pytest.mark.parametrize('way', WAYS)
def test_bases_are_exact_whatever_was_done(way):
    layer = build(OPTIONS, dtype=torch.float32).eval()
    x = draw(2, 4, 7, 8).float()
    twin = way(layer).eval()
    assert_exact(twin)
    assert torch.equal(twin(x), layer(x))


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32,
                                   torch.float16, torch.bfloat16])
def test_bases_are_rounded_once(dtype):
    assert_exact(ACDAConv(4, 8, **OPTIONS).half().to(dtype))


def test_a_device_context_holds_for_the_bases():
    with torch.device('meta'):
        conv = nn.Conv2d(4, 8, 3, padding=1)(torch.rand(1, 4, 9, 9))
        layer = ACDAConv(4, 8, **OPTIONS)
        assert layer.atom_bases.is_meta
        output = layer(torch.rand(1, 4, 9, 9))
    assert output.is_meta and output.shape == conv.shape


@pytest.mark.parametrize('size', [9, 99])
def test_a_layer_on_meta_tells_shapes(size):
    layer = ACDAConv(4, 8, **OPTIONS).to('meta')
    x = torch.empty(2, 4, size, size, device='meta', requires_grad=True)
    output = layer(x)
    output.sum().backward()
    assert output.shape == (2, 8, size, size) and x.grad.shape == x.shape


def test_default_device():
    torch.set_default_device('meta')
    try:
        layer = ACDAConv(4, 8, **OPTIONS)
        given = ACDAConv(4, 8, 5, atom_bases=EXACT.tolist())
    finally:
        torch.set_default_device(None)
    assert layer.weight.is_meta and layer.atom_bases.is_meta
    assert_exact(layer.to_empty(device='cpu'))
    assert_exact(given.to_empty(device='cpu'))


def test_a_fake_layer_has_fake_bases_and_leaves_none():
    with FakeTensorMode() as mode:
        layer = ACDAConv(4, 8, **OPTIONS)
        assert isinstance(layer.atom_bases, FakeTensor)
        assert layer.atom_bases.fake_mode is mode
        ACDAConv(4, 8, 3, atom_bases=None)
        ACDAConv(4, 8, 5, atom_bases=EXACT)
    other = ACDAConv(4, 8, **OPTIONS)
    assert not isinstance(other.atom_bases, FakeTensor)
    assert_exact(other)


def test_bases_beside_fake_inputs_are_real():
    layer = ACDAConv(4, 8, **OPTIONS).bfloat16()
    with FakeTensorMode(allow_non_fake_inputs=True):
        bases = layer.atom_bases
    assert not isinstance(bases, FakeTensor)
    assert_exact(layer)


def test_bases_made_in_inference_mode_train():
    with torch.inference_mode():
        ACDAConv(4, 8, 3, num_bases=5).double().atom_bases.sum()
    layer = build(dict(kernel_size=3, num_bases=5))
    layer(draw(2, 4, 6, 6)).sum().backward()


def test_writing_to_the_bases_harms_no_layer():
    layer = ACDAConv(4, 8, **OPTIONS)
    layer.atom_bases.zero_()
    assert_exact(layer)
    with pytest.raises(AttributeError):
        layer.atom_bases = torch.zeros(12, 5, 5)


def test_layers_share_one_tensor():
    first, second = (ACDAConv(4, 8, **OPTIONS) for _ in range(2))
    assert first.atom_bases is second.atom_bases
    assert not dict(first.named_buffers()).keys() & {'atom_bases'}


@pytest.mark.parametrize('bases', [
    torch.empty(2, 3, 3, device='meta'), torch.full((2, 3, 3), torch.nan),
    torch.zeros(0, 3, 3)
])
def test_bases_without_values_are_refused(bases):
    with pytest.raises(ValueError, match='atom_bases must'):
        ACDAConv(4, 8, 3, atom_bases=bases)


# Files.


def test_only_bases_have_a_fingerprint():
    for name, options in HYPER_PARAMETERS.items():
        layer = build(options)
        has_bases = layer.atom_bases is not None
        assert (KEY in layer.state_dict()) == has_bases, name
        if has_bases:
            mark = layer.state_dict()[KEY]
            assert mark.dtype == torch.int64 and mark.device.type == 'cpu'
            assert mark.numel() < 8


@pytest.mark.parametrize('strict', [True, False])
def test_earlier_checkpoints_load_silently(strict):
    source, target = build(OPTIONS, 0), build(OPTIONS, 1)
    state = source.state_dict()
    del state[KEY]
    missing, unexpected = target.load_state_dict(state, strict=strict)
    assert not missing and not unexpected
    assert torch.equal(source.weight, target.weight)


WIDER = dict(OPTIONS, scales=(3, 7))


@pytest.mark.parametrize('strict', [True, False])
def test_other_scales_are_told(strict):
    models = [nn.Sequential(nn.Identity(), build(options))
              for options in (OPTIONS, WIDER)]
    with pytest.raises(RuntimeError) as error:
        models[1].load_state_dict(models[0].state_dict(), strict=strict)
    text = str(error.value)
    assert 'bases mismatch for 1:' in text
    assert 'scales=(3, 5) and num_bases=6' in text
    assert 'scales=(3, 7) and num_bases=6' in text


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16, torch.double])
def test_other_scales_are_told_after_a_cast_of_everything(dtype):
    source = {k: v.to(dtype) for k, v in build(OPTIONS).state_dict().items()}
    build(OPTIONS).load_state_dict(source)
    average = {k: sum([v] * 3) / 3 for k, v in source.items()}
    build(OPTIONS).load_state_dict(average)
    for state in source, average:
        with pytest.raises(RuntimeError, match=r'scales=\(3, 5\).*3, 7'):
            build(WIDER).load_state_dict(state)


@pytest.mark.parametrize('own, other', [
    (EXACT, EXACT + 1e-3), (EXACT, EXACT.flip(0)), (EXACT[:6], EXACT[6:]),
])
def test_other_bases_of_ones_own_are_told(own, other):
    source, target = (ACDAConv(4, 8, 5, atom_bases=b) for b in (own, other))
    with pytest.raises(RuntimeError, match='atom_bases of its own'):
        target.load_state_dict(source.state_dict())


def test_bases_in_place_of_direct_atoms_are_told():
    """Nine coefficients either way."""
    source = ACDAConv(4, 8, 3, atom_bases=fourier_bessel_bases((5, ), 9))
    target = ACDAConv(4, 8, 3, atom_bases=None)
    with pytest.raises(RuntimeError, match='the current layer has no bases'):
        target.load_state_dict(source.state_dict())


def test_last_bits_of_the_bases_do_not_matter():
    near = EXACT + 1e-12 * torch.linspace(-1, 1, EXACT.numel()).view_as(EXACT)
    source, target = (ACDAConv(4, 8, 5, atom_bases=b) for b in (EXACT, near))
    target.load_state_dict(source.state_dict())


def test_mmengine_tells_and_goes_on(capsys):
    source, target = build(OPTIONS, 0), build(WIDER, 1)
    checkpoint = dict(state_dict=source.state_dict())
    _load_checkpoint_to_model(target, checkpoint)
    assert 'bases mismatch for the layer' in capsys.readouterr().out
    _load_checkpoint_to_model(build(OPTIONS), checkpoint)
    del checkpoint['state_dict'][KEY]
    _load_checkpoint_to_model(build(OPTIONS), checkpoint)
    assert not capsys.readouterr().out


@pytest.mark.parametrize('value', [
    torch.ones(4), torch.tensor(3), 'text', None,
    torch.ones(4, dtype=torch.int64, device='meta')
])
def test_what_is_no_fingerprint_is_taken_as_it_comes(value):
    layer = build(OPTIONS)
    layer.load_state_dict({**layer.state_dict(), KEY: value})


def earlier(layer, dtype):
    """As a layer was before: with a buffer in the place of the bases."""
    twin = copy.deepcopy(layer)
    buffer = None if layer.bases is None else layer.atom_bases.to(dtype)
    del twin.__dict__['bases']
    twin._buffers['atom_bases'] = buffer
    twin._non_persistent_buffers_set.add('atom_bases')
    return twin


@pytest.mark.parametrize('name', ['plain', 'kernel-5', 'drop-in', 'direct',
                                  'narrow-scales', 'pointwise', 'own-bases',
                                  'one-atom'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_whole_layers_of_earlier_versions(name, dtype):
    layer = build(HYPER_PARAMETERS[name])
    loaded = pickle.loads(pickle.dumps(earlier(layer, dtype)))
    assert 'atom_bases' not in dict(loaded.named_buffers())
    if layer.bases is None:
        assert loaded.atom_bases is None
    else:
        assert torch.equal(loaded.atom_bases, layer.atom_bases)
    loaded.load_state_dict(layer.state_dict())
    x = draw(2, 4, 7, 7)
    assert torch.equal(loaded.eval()(x), layer.eval()(x))

"""ACDAConv as a layer: sizes, values, gradients, memory layouts."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch.nn.modules.utils import _pair

from mmacda.layers import ACDAConv
from mmacda.ops import fourier_bessel_bases, reference

from .cases import HYPER_PARAMETERS, build, conv2d_like, draw, every_layer


@every_layer
@pytest.mark.parametrize('size', [(7, 7), (8, 8), (9, 6), (13, 16)])
def test_output_size_is_that_of_conv2d(options, size):
    x = draw(2, 4, *size)
    expected = conv2d_like(options)(x)
    layer = build(options)
    assert layer(x).shape == expected.shape
    assert layer(x[:1]).shape == expected[:1].shape


@every_layer
def test_attributes_are_those_of_conv2d(options):
    layer, conv = build(options), conv2d_like(options)
    for name in ('in_channels', 'out_channels', 'kernel_size', 'stride',
                 'dilation', 'groups', 'transposed', 'output_padding',
                 'padding_mode'):
        assert getattr(layer, name) == getattr(conv, name), name
    if not isinstance(conv.padding, str):
        assert layer.padding == conv.padding
    assert (layer.bias is None) == (conv.bias is None)
    assert not isinstance(layer, nn.Conv2d)


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (2, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize('options', [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=5, padding=2),
    dict(kernel_size=3, padding=1, scales=(3, 5, 7)),
    dict(kernel_size=3, padding=1, stride=3),
    dict(kernel_size=3, padding=3, stride=2, dilation=2),
    dict(kernel_size=3, padding=1, padding_mode='replicate'),
    dict(kernel_size=3, padding=1, padding_mode='circular'),
])
def test_tiny_inputs(options, size):
    x = draw(2, 4, *size).requires_grad_()
    output = build(options)(x)
    assert output.shape == conv2d_like(options)(x).shape
    output.square().sum().backward()
    assert x.grad.isfinite().all()


@every_layer
def test_equals_generator_and_definition(options):
    """Pad as asked, generate, apply the reference."""
    layer = build(options).eval()
    x = draw(2, 4, 9, 10)
    pad_h, pad_w = ((p + d * (layer.support - k) // 2) for p, d, k in zip(
        layer.padding, layer.dilation, layer.kernel_size))
    mode = 'constant' if layer.padding_mode == 'zeros' else layer.padding_mode
    padded = F.pad(x, (pad_w, pad_w, pad_h, pad_h), mode=mode)
    if layer.pointwise:
        expected = F.conv2d(padded, layer.weight, layer.bias, layer.stride)
    else:
        alpha = layer.atom_generator(x)
        alpha = alpha.unflatten(1, (layer.num_atoms, -1))
        expected = reference.adaptive_conv2d_filters(
            padded, alpha, layer.atom_bases, layer.weight, layer.bias,
            layer.stride, 0, layer.dilation, layer.groups)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('options', [
    value
    for value in HYPER_PARAMETERS.values() if value['kernel_size'] != 1
],
                         ids=[
                             key for key, value in HYPER_PARAMETERS.items()
                             if value['kernel_size'] != 1
                         ])
def test_constant_generator_makes_a_conv2d(options):
    """With the same filters everywhere the layer is PyTorch's Conv2d."""
    layer = build(options).eval()
    shift = draw(layer.num_atoms * layer.num_coefficients)
    layer.atom_generator.norm2.weight.data.zero_()
    layer.atom_generator.norm2.bias.data.copy_(shift)
    atoms = shift.tanh().view(layer.num_atoms, -1)
    if layer.atom_bases is not None:
        atoms = atoms @ layer.atom_bases.flatten(1)
    composition = layer.weight.view(8, -1, layer.num_atoms)
    filters = torch.einsum('ocm,mt->oct', composition, atoms)
    widened = (layer.support - layer.kernel_size[0]) // 2
    padding = [
        p + d * widened for p, d in zip(layer.padding, layer.dilation)
    ]
    conv = conv2d_like(
        dict(options, kernel_size=layer.support, padding=tuple(padding)))
    conv.weight.data.copy_(filters.view_as(conv.weight))
    if conv.bias is not None:
        conv.bias.data.copy_(layer.bias)
    x = draw(2, 4, 9, 10)
    torch.testing.assert_close(layer(x), conv(x), rtol=1e-10, atol=1e-11)


@every_layer
@pytest.mark.parametrize('training', (True, False))
def test_every_parameter_gets_a_gradient(options, training):
    layer = build(options).train(training)
    x = draw(2, 4, 9, 10).requires_grad_()
    output = layer(x)
    (output * draw(*output.shape, seed=1)).sum().backward()
    for name, tensor in [('input', x), *layer.named_parameters()]:
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name
        assert tensor.grad.any(), name


@pytest.mark.parametrize('generator', [
    dict(norm_cfg=None),
    dict(norm_cfg=dict(type='GN', num_groups=4)),
    dict(act_cfg=None),
    dict(act_cfg=dict(type='ReLU'), hidden_channels=16),
    dict(kernel_size=1),
    dict(kernel_size=(1, 3)),
])
def test_generator_options_train_every_parameter(generator):
    layer = build(dict(kernel_size=3, padding=1, atom_generator=generator))
    output = layer(draw(2, 4, 6, 6))
    (output * draw(*output.shape, seed=1)).sum().backward()
    for name, tensor in layer.named_parameters():
        assert tensor.grad is not None and tensor.grad.any(), name


def test_gradcheck():
    layer = build(
        dict(
            kernel_size=3,
            padding=1,
            stride=2,
            num_atoms=2,
            atom_generator=dict(hidden_channels=4)))
    names = [name for name, _ in layer.named_parameters()]
    tensors = [p.detach().requires_grad_() for p in layer.parameters()]

    def call(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values)), x)

    assert torch.autograd.gradcheck(
        call, (draw(2, 4, 3, 4).requires_grad_(), *tensors), fast_mode=True)


@pytest.mark.parametrize('options', [
    HYPER_PARAMETERS[name]
    for name in ('plain', 'drop-in', 'direct', 'pointwise', 'stride-2')
])
def test_memory_layout_does_not_matter(options):
    layer = build(options).eval()
    x = draw(2, 4, 8, 9)
    expected = layer(x)
    larger = torch.full((2, 4, 10, 19), 1e4, dtype=torch.float64)
    larger[:, :, 1:-1, 1::2] = x
    for other in (x.to(memory_format=torch.channels_last),
                  larger[:, :, 1:-1, 1::2],
                  x.transpose(2, 3).contiguous().transpose(2, 3)):
        assert other.stride() != x.stride()
        torch.testing.assert_close(
            layer(other), expected, rtol=1e-12, atol=1e-12)
    row = x[:, :1].expand_as(x)
    torch.testing.assert_close(
        layer(row), layer(row.contiguous()), rtol=1e-12, atol=1e-12)


def test_channels_last_module():
    layer = build(HYPER_PARAMETERS['drop-in']).eval()
    x = draw(2, 4, 8, 9)
    expected = layer(x)
    layer = layer.to(memory_format=torch.channels_last)
    output = layer(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('training', (True, False))
def test_empty_batch(training):
    for options in (HYPER_PARAMETERS['drop-in'], HYPER_PARAMETERS['direct'],
                    HYPER_PARAMETERS['pointwise']):
        layer = build(options).train(training)
        x = draw(0, 4, 6, 7).requires_grad_()
        output = layer(x)
        assert output.shape == (0, 8, 6, 7)
        output.sum().backward()
        assert x.grad.shape == x.shape
        assert all(p.isfinite().all() for p in layer.state_dict().values())


def test_images_of_a_batch_are_independent():
    layer = build(HYPER_PARAMETERS['drop-in']).eval()
    x = draw(3, 4, 7, 6)
    singly = torch.cat([layer(image[None]) for image in x])
    torch.testing.assert_close(layer(x), singly, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('backend', ['stock', 'native'])
@pytest.mark.parametrize('name', ['drop-in', 'direct', 'one-atom'])
def test_gradients_of_a_single_image(name, backend, training):
    """An image twice in a batch has the statistics of itself alone."""
    layer = build(HYPER_PARAMETERS[name], dtype=torch.float32)
    layer.train(training).backend = backend
    image = draw(1, 4, 9, 10).float()
    grads = []
    for times in (1, 2):
        layer.zero_grad()
        x = image.repeat(times, 1, 1, 1).requires_grad_()
        layer(x).sin().sum().backward()
        grads.append([x.grad[:1]] +
                     [p.grad / times for p in layer.parameters()])
    for single, twice in zip(*grads):
        torch.testing.assert_close(single, twice, rtol=1e-3, atol=1e-5)


def test_is_deterministic():
    layer = build(HYPER_PARAMETERS['drop-in'], dtype=torch.float32).eval()
    x = draw(2, 4, 9, 9).float()
    results = []
    for _ in range(2):
        layer.zero_grad()
        output = layer(x)
        output.square().sum().backward()
        results.append([output, *(p.grad for p in layer.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_pointwise_is_a_pointwise_convolution():
    layer = build(dict(kernel_size=1, stride=2, padding=1, groups=2))
    conv = nn.Conv2d(4, 8, 1, 2, 1, groups=2).double()
    conv.load_state_dict(layer.state_dict())
    x = draw(2, 4, 7, 8)
    assert torch.equal(layer(x), conv(x))


def test_default_scales_follow_the_kernel():
    for kernel, scales in ((3, (3, )), (5, (3, 5)), (7, (3, 5, 7))):
        layer = ACDAConv(4, 8, kernel)
        assert torch.equal(layer.atom_bases,
                           fourier_bessel_bases(scales, 6).float())
        assert layer.weight.shape == (8, 4 * 6, 1, 1)


def test_own_bases_as_a_nested_list():
    """As a config file writes them."""
    bases = [[[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0],
                                                 [0, 0, 1]]]
    layer = build(dict(kernel_size=5, padding=2, atom_bases=bases))
    assert layer.num_coefficients == 2 and layer.support == 5
    assert torch.equal(layer.atom_bases[:, 1:-1, 1:-1],
                       torch.tensor(bases).double())
    assert layer.atom_bases.sum() == 3


def test_is_found_in_any_scope():
    layer = MODELS.build(dict(type='ACDAConv', in_channels=4, out_channels=8,
                              kernel_size=3))
    assert isinstance(layer, ACDAConv)


def test_positional_arguments_are_those_of_conv2d():
    arguments = (4, 8, 3, 2, 1, 2, 2, False, 'circular')
    layer, conv = ACDAConv(*arguments), nn.Conv2d(*arguments)
    for name in ('kernel_size', 'stride', 'padding', 'dilation', 'groups',
                 'bias', 'padding_mode'):
        assert getattr(layer, name) == getattr(conv, name), name
    assert layer.stride == _pair(2)


def test_repr_names_the_arguments():
    text = repr(build(dict(kernel_size=3, padding=1, scales=(3, 5), groups=2,
                           dilation=2, bias=False, padding_mode='circular')))
    for part in ('4, 8', 'kernel_size=(3, 3)', 'stride=(1, 1)', 'groups=2',
                 'padding=(1, 1)', 'dilation=(2, 2)', 'bias=False',
                 'padding_mode=circular', 'atoms=6', 'coefficients=12',
                 'support=5'):
        assert part in text, part

"""AtomGenerator: alignment with its convolution, options, initialisation."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule, initialize
from mmengine.registry import MODELS

from mmacda.layers import ACDAConv, AtomGenerator

LINEAR = dict(norm_cfg=None, act_cfg=None)
GEOMETRIES = [
    dict(target_kernel_size=k, stride=s, padding=p, dilation=d)
    for k, s, p, d in [
        (3, 1, 1, 1), (3, 1, 0, 1), (3, 2, 1, 1), (3, 3, 0, 1), (3, 2, 2, 2),
        (5, 1, 2, 1), (5, 2, 0, 1), (5, 2, 4, 1), (5, 1, (0, 3), 1),
        (7, 2, 3, 1), (5, (1, 2), 1, (2, 1)), (7, 4, 1, 1), (3, 1, 3, 1)
    ]
]
every_geometry = pytest.mark.parametrize(
    'geometry',
    GEOMETRIES,
    ids=lambda g: '-'.join(str(v).replace(' ', '') for v in g.values()))


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def target_arguments(geometry):
    return {k: v for k, v in geometry.items() if k != 'target_kernel_size'}


@every_geometry
@pytest.mark.parametrize('kernel_size', (1, 3, (1, 3), (5, 1)))
@pytest.mark.parametrize('size', [(11, 12), (12, 11)])
def test_map_has_the_size_of_the_convolution(geometry, kernel_size, size):
    x = draw(2, 3, *size)
    k = geometry['target_kernel_size']
    expected = F.conv2d(x, draw(1, 3, k, k), **target_arguments(geometry))
    generator = AtomGenerator(3, 5, 8, kernel_size, **geometry).double()
    assert generator(x).shape == (2, 5, *expected.shape[2:])


@every_geometry
def test_sees_the_centre_of_the_convolution(geometry):
    """A 1 x 1 generator sees the pixel under the kernel's centre."""
    generator = AtomGenerator(3, 5, 8, 1, **geometry, **LINEAR).double()
    nn.init.zeros_(generator.conv1.bias)
    x, k = draw(2, 3, 11, 12), geometry['target_kernel_size']
    product = (
        generator.conv2.weight.flatten(1) @ generator.conv1.weight.flatten(1))
    kernel = torch.zeros(5, 3, k, k, dtype=torch.float64)
    kernel[:, :, k // 2, k // 2] = product
    expected = F.conv2d(x, kernel, generator.conv2.bias,
                        **target_arguments(geometry))
    torch.testing.assert_close(generator(x), expected)


@every_geometry
def test_first_convolution_is_centred(geometry):
    """Each tap of its 3 x 3 kernel looks one dilation beside the centre."""
    generator = AtomGenerator(1, 1, 1, (3, 1), **geometry, **LINEAR).double()
    for parameter in generator.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(generator.conv2.weight)
    x, k = draw(1, 1, 11, 12), geometry['target_kernel_size']
    for row in range(3):
        for column in range(3):
            nn.init.zeros_(generator.conv1.weight)
            generator.conv1.weight.data[0, 0, row, column] = 1
            kernel = torch.zeros(1, 1, k, k, dtype=torch.float64)
            kernel[0, 0, k // 2 - 1 + row, k // 2 - 1 + column] = 1
            expected = F.conv2d(x, kernel, **target_arguments(geometry))
            assert torch.equal(generator(x), expected), (row, column)


@pytest.mark.parametrize('mode', ('zeros', 'reflect', 'replicate', 'circular'))
def test_padding_mode_of_the_first_convolution(mode):
    generator = AtomGenerator(
        3, 5, 8, (3, 1), padding_mode=mode, **LINEAR).double()
    conv = nn.Conv2d(3, 8, 3, padding=1, padding_mode=mode).double()
    conv.load_state_dict(generator.conv1.state_dict())
    x = draw(2, 3, 6, 7)
    torch.testing.assert_close(generator(x), generator.conv2(conv(x)))


def test_is_the_authors_network():
    """conv 3 x 3 - BN - Tanh - conv 3 x 3 - BN - Tanh of width 64."""
    torch.manual_seed(0)
    generator = AtomGenerator(4, 108)
    plain = nn.Sequential(
        nn.Conv2d(4, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64),
        nn.Tanh(), nn.Conv2d(64, 108, 3, padding=1, bias=False),
        nn.BatchNorm2d(108), nn.Tanh())
    for source, target in zip(
        (generator.conv1, generator.norm1, generator.conv2, generator.norm2),
        (plain[0], plain[1], plain[3], plain[4])):
        target.load_state_dict(source.state_dict())
    x = draw(2, 4, 9, 8).float()
    for training in (True, False):
        output = generator.train(training)(x)
        torch.testing.assert_close(output, plain.train(training)(x))
        assert output.abs().max() < 1


@pytest.mark.parametrize('options', [
    dict(norm_cfg=None),
    dict(norm_cfg=dict(type='GN', num_groups=2)),
    dict(norm_cfg=dict(type='IN', affine=True)),
    dict(act_cfg=None),
    dict(act_cfg=dict(type='Sigmoid')),
    dict(act_cfg=dict(type='GELU')),
])
def test_norm_and_activation_options(options):
    generator = AtomGenerator(4, 6, 8, **options)
    output = generator(draw(2, 4, 6, 6).float())
    (output * draw(2, 6, 6, 6).float()).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    has_bias = generator.conv1.bias is not None
    assert has_bias == ('norm_cfg' in options and not options['norm_cfg'])


@pytest.mark.parametrize('cfg', [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Normal', layer=['Conv2d', 'Linear'], std=3.),
    dict(type='Xavier', layer='Conv2d'),
])
def test_bulk_initialisation_leaves_it_alone(cfg):
    """And does change a plain Conv2d beside it."""
    model = nn.Sequential(
        ACDAConv(4, 4, 3, padding=1), AtomGenerator(4, 6),
        nn.Conv2d(4, 4, 3))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    initialize(model, cfg)
    changed = {
        k
        for k, v in model.state_dict().items() if not torch.equal(v, before[k])
    }
    assert '2.weight' in changed
    assert changed <= {'2.weight', '2.bias'}


def test_single_pixel_cannot_train_a_batch_norm():
    x = torch.zeros(1, 4, 1, 1)
    generator = AtomGenerator(4, 6, 8)
    with pytest.raises(ValueError, match='batch normalization.*norm_cfg'):
        generator(x)
    assert generator.eval()(x).shape == (1, 6, 1, 1)
    for norm in (None, dict(type='GN', num_groups=2)):
        generator = AtomGenerator(4, 6, 8, norm_cfg=norm)
        assert generator(x).isfinite().all()
    with pytest.raises(ValueError, match='batch normalization.*norm_cfg'):
        ACDAConv(4, 8, 3, padding=1)(x)


@pytest.mark.parametrize('kernel_size', (0, 2, (3, 2), 1.5, (1, 1, 1)))
def test_bad_kernel_size(kernel_size):
    with pytest.raises(ValueError, match='kernel_size must be'):
        AtomGenerator(4, 6, kernel_size=kernel_size)


@pytest.mark.parametrize('arguments,message', [
    (dict(stride=0), 'stride must be .*got 0'),
    (dict(padding=-1), 'padding must be .*got -1'),
    (dict(dilation=0), 'dilation must be .*got 0'),
])
def test_bad_geometry(arguments, message):
    with pytest.raises(ValueError, match=message):
        AtomGenerator(4, 6, **arguments)


def test_biases_spread_and_survive_the_init_of_outer_modules():
    torch.manual_seed(0)
    model = BaseModule(
        init_cfg=dict(type='Constant', val=1, layer='_BatchNorm'))
    model.layer = ACDAConv(
        4, 8, 3, padding=1, atom_generator=dict(bias_spread=0.5))
    generator = model.layer.atom_generator
    for step in (lambda: None, model.init_weights):
        step()
        bias = generator.norm2.bias
        assert bias.abs().max() <= 0.5 and bias.std() > 0.15
        assert generator.norm1.bias.eq(0).all()
        assert generator.norm2.weight.eq(1).all()
    generator.init_constant(torch.zeros_like(bias))
    model.layer._is_init = generator._is_init = False
    generator.init_weights()
    assert generator.norm2.bias.eq(0).all()


def test_no_spread_draws_nothing():
    torch.manual_seed(0)
    AtomGenerator(4, 6)
    after = torch.rand(1)
    torch.manual_seed(0)
    generator = AtomGenerator(4, 6)
    generator.spread_bias()
    assert torch.equal(after, torch.rand(1))
    assert generator.norm2.bias.eq(0).all()


@pytest.mark.parametrize('arguments, message', [
    (dict(bias_spread=-1), 'at least 0, but got -1'),
    (dict(bias_spread=float('nan')), 'at least 0, but got nan'),
    (dict(bias_spread=1, norm_cfg=dict(type='BN', affine=False)),
     'needs a norm with a bias'),
])
def test_bad_spread(arguments, message):
    with pytest.raises(ValueError, match=message):
        AtomGenerator(4, 6, **arguments)


def test_a_generator_of_ones_own():
    """``type`` in ``atom_generator`` takes any registered module."""

    class ConstantGenerator(nn.Module):

        def __init__(self, out_channels, value, **kwargs):
            super().__init__()
            self.out_channels, self.value = out_channels, value

        def forward(self, x):
            return x.new_full((len(x), self.out_channels, *x.shape[2:]),
                              self.value)

    MODELS.register_module(module=ConstantGenerator)
    try:
        layer = ACDAConv(
            4,
            8,
            3,
            padding=1,
            num_atoms=2,
            atom_generator=dict(type='ConstantGenerator', value=0.5)).double()
    finally:
        MODELS.module_dict.pop('ConstantGenerator')
    x = draw(2, 4, 6, 6)
    atom = 0.5 * layer.atom_bases.sum(0)
    composition = layer.weight.view(8, 4, 2).sum(2)
    filters = composition[:, :, None, None] * atom
    torch.testing.assert_close(
        layer(x), F.conv2d(x, filters, layer.bias, padding=1))

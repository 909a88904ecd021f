"""The warm start against the definition and the convolution it replaces."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from mmacda.layers import ACDAConv
from mmacda.layers.projection import project_conv, project_filters
from mmacda.ops import fourier_bessel_bases


def random_basis(size: int) -> torch.Tensor:
    """A complete basis that is far from orthogonal."""
    taps = torch.eye(size * size, dtype=torch.float64)
    return (taps + 0.3 * torch.rand_like(taps)).reshape(-1, size, size)


def warm_pair(kernel=3, groups=1, bias=True, stride=1, padding=1, **options):
    conv = nn.Conv2d(8, 12, kernel, stride, padding, groups=groups, bias=bias)
    layer = ACDAConv(8, 12, kernel, stride, padding, groups=groups, bias=bias,
                     **options)
    return conv, layer, project_conv(conv, layer)


@pytest.mark.parametrize('num_atoms', [1, 4, 9])
def test_direct_atoms_are_the_truncated_svd(num_atoms):
    torch.manual_seed(0)
    filters = torch.randn(40, 3, 3, dtype=torch.float64)
    projection = project_filters(filters, None, num_atoms)
    product = projection.composition @ projection.coefficients
    left, sizes, right = torch.linalg.svd(
        filters.flatten(1), full_matrices=False)
    sizes[num_atoms:] = 0
    torch.testing.assert_close(product, left * sizes @ right)
    kept = sizes.square().sum() / filters.square().sum()
    assert projection.energy == pytest.approx(kept.item())


def test_composition_is_the_least_squares_one():
    torch.manual_seed(0)
    filters = torch.randn(40, 7, 7, dtype=torch.float64)
    bases = fourier_bessel_bases((3, 5, 7), 6)
    projection = project_filters(filters, bases, 5)
    atoms = projection.coefficients @ bases.flatten(1)
    best = torch.linalg.lstsq(atoms.T, filters.flatten(1).T).solution.T
    torch.testing.assert_close(projection.composition, best)


def test_leading_atoms_beat_any_others_in_the_span():
    torch.manual_seed(0)
    filters = torch.randn(40, 3, 3, dtype=torch.float64)
    bases = fourier_bessel_bases((3, ), 6)
    flat = bases.flatten(1)
    energy = project_filters(filters, bases, 2).energy
    for _ in range(20):
        atoms = torch.randn(2, 6, dtype=torch.float64) @ flat
        fit = atoms.T @ torch.linalg.lstsq(atoms.T,
                                           filters.flatten(1).T).solution
        assert fit.square().sum() / filters.square().sum() < energy


def test_energy_is_one_minus_the_relative_error():
    torch.manual_seed(0)
    filters = torch.randn(40, 3, 3, dtype=torch.float64)
    bases = fourier_bessel_bases((3, ), 6)
    projection = project_filters(filters, bases, 4)
    atoms = projection.coefficients @ bases.flatten(1)
    error = filters.flatten(1) - projection.composition @ atoms
    left = error.square().sum() / filters.square().sum()
    assert projection.energy == pytest.approx(1 - left.item())


def test_dependent_bases_count_once():
    torch.manual_seed(0)
    filters = torch.randn(10, 3, 3, dtype=torch.float64)
    bases = fourier_bessel_bases((3, ), 6)
    twice = torch.cat([bases, bases])
    once = project_filters(filters, bases, 6)
    again = project_filters(filters, twice, 6)
    assert again.energy == pytest.approx(once.energy)
    assert again.coefficients.abs().max() <= 0.5


def test_zero_filters():
    projection = project_filters(torch.zeros(4, 3, 3), None, 3)
    assert projection.energy == 1
    assert projection.coefficients.isfinite().all()
    assert not projection.composition.any()


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('options', [
    dict(num_atoms=9, atom_bases=None),
    dict(num_atoms=12, atom_bases=None),
    dict(num_atoms=9, atom_bases='complete'),
    dict(num_atoms=9, atom_bases='complete', groups=4, bias=False),
    dict(num_atoms=9, atom_bases=None, groups=4, stride=2, padding=0),
    dict(num_atoms=25, atom_bases=None, kernel=5, padding=2),
    dict(num_atoms=9, atom_bases='complete 5'),
    dict(
        num_atoms=9,
        atom_bases=None,
        atom_generator=dict(norm_cfg=None, act_cfg=None)),
    dict(
        num_atoms=9,
        atom_bases=None,
        atom_generator=dict(norm_cfg=dict(type='GN', num_groups=1))),
])
def test_outputs_unchanged_where_the_atoms_span_the_filters(options, training):
    torch.manual_seed(0)
    if options['atom_bases'] == 'complete':
        options = dict(options, atom_bases=random_basis(3))
    elif options['atom_bases'] == 'complete 5':  # a wider support
        options = dict(options, atom_bases=random_basis(5))
    conv, layer, energy = warm_pair(**options)
    layer.train(training)
    x = torch.randn(2, 8, 9, 7)
    assert energy == pytest.approx(1)
    torch.testing.assert_close(layer(x), conv(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize('options', [
    dict(),
    dict(scales=(3, 5, 7)),
    dict(scales=(3, 5, 7), kernel=5, padding=2),
    dict(num_atoms=3, groups=2),
    dict(num_atoms=3, atom_generator=dict(norm_cfg=None)),
])
def test_layer_is_the_projected_convolution(options):
    torch.manual_seed(0)
    conv, layer, energy = warm_pair(**options)
    assert 0 < energy < 1
    margin = (layer.support - conv.kernel_size[0]) // 2
    filters = F.pad(conv.weight, (margin, ) * 4)
    projection = project_filters(
        filters.flatten(0, 1), layer.atom_bases, layer.num_atoms)
    atoms = projection.coefficients @ layer.atom_bases.double().flatten(1)
    projected = (projection.composition @ atoms).reshape(filters.shape)
    x = torch.randn(2, 8, 9, 7)
    expected = F.conv2d(
        x,
        projected.float(),
        conv.bias,
        padding=conv.padding[0] + margin,
        groups=conv.groups)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), None])
def test_generator_learns_from_the_first_steps(norm_cfg):
    torch.manual_seed(0)
    _, layer, _ = warm_pair(atom_generator=dict(norm_cfg=norm_cfg))
    last = layer.atom_generator.norm2 if norm_cfg else \
        layer.atom_generator.conv2
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.randn(4, 8, 9, 9)).square().mean().backward()
    assert last.weight.grad.abs().max() > 0
    optimizer.step()
    assert last.weight.abs().max() > 0
    optimizer.zero_grad()
    layer(torch.randn(4, 8, 9, 9)).square().mean().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_float64_is_exact():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, dtype=torch.float64)
    layer = ACDAConv(4, 6, 3, num_atoms=9, atom_bases=None).double()
    project_conv(conv, layer)
    x = torch.randn(1, 4, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), conv(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize('generator, error, message', [
    (dict(act_cfg=dict(type='ReLU')), ValueError, 'Tanh'),
    (dict(norm_cfg=dict(type='IN')), ValueError, 'affine=True'),
])
def test_generators_without_a_constant_start(generator, error, message):
    layer = ACDAConv(4, 4, 3, atom_generator=generator)
    with pytest.raises(error, match=message):
        project_conv(nn.Conv2d(4, 4, 3), layer)


def test_other_layers_are_refused():
    conv = nn.Conv2d(4, 4, 3)
    with pytest.raises(TypeError, match='ACDAConv'):
        project_conv(conv, nn.Conv2d(4, 4, 3))
    with pytest.raises(TypeError, match='1 x 1'):
        project_conv(nn.Conv2d(4, 4, 1), ACDAConv(4, 4, 1))
    with pytest.raises(ValueError, match='out_channels'):
        project_conv(conv, ACDAConv(4, 8, 3))
    layer = ACDAConv(4, 4, 3)
    layer.atom_generator = nn.Conv2d(4, 36, 3)
    with pytest.raises(TypeError, match='init_constant'):
        project_conv(conv, layer)

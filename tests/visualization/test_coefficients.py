"""The numbers behind the pictures, against their definitions."""
import pytest
import torch
import torch.nn.functional as F

from mmacda.layers import ACDAConv
from mmacda.visualization import (CapturedLayer, CoefficientCapture, atoms_of,
                                  basis_scales, compose_filters,
                                  scale_energies, similar_pixels, tap_energy)
from mmacda.visualization.coefficients import filter_similarity
from mmacda.visualization.pixels import (image_position, layer_pixel,
                                         tap_positions)

from ..layers.cases import HYPER_PARAMETERS, build, draw

ADAPTIVE = {name: options for name, options in HYPER_PARAMETERS.items()
            if options['kernel_size'] != 1}
every_adaptive = pytest.mark.parametrize(
    'options', ADAPTIVE.values(), ids=ADAPTIVE)


@torch.no_grad()
def captured_layer(options, size=(9, 8)):
    layer = build(options)
    x = draw(2, 4, *size)
    with CoefficientCapture(layer) as captured:
        output = layer(x)
    return layer, x, output, captured['']


def constant_layer(coefficients, **options):
    """A layer whose generator says the same everywhere."""
    layer = ACDAConv(
        1, 1, atom_generator=dict(norm_cfg=None, act_cfg=None), **options)
    layer.atom_generator.init_constant(coefficients(layer))
    return layer.eval()


@pytest.mark.parametrize('scales, num_bases', [
    ((3, ), 6), ((5, ), 14), ((7, ), 38), ((9, ), 71), ((11, ), 115),
    ((3, 5, 7), 6), ((3, 7, 11), 4), ((3, 5, 7), 1)])
def test_scales_are_read_from_the_bases(scales, num_bases):
    layer = ACDAConv(1, 1, 3, scales=scales, num_bases=num_bases)
    assert basis_scales(layer) == tuple(
        scale for scale in scales for _ in range(num_bases))


def test_direct_atoms_have_a_scale_per_ring():
    scales = basis_scales(ACDAConv(1, 1, 5, atom_bases=None))
    assert [scales.count(scale) for scale in (1, 3, 5)] == [1, 8, 16]
    assert scales[12] == 1 and scales[0] == 5 and scales[11] == 3


@every_adaptive
def test_energies_sum_to_the_total(options):
    layer, _, _, (_, alpha, _) = captured_layer(options)
    energies = scale_energies(layer, alpha)
    total = sum(energies.values())
    torch.testing.assert_close(total, alpha.pow(2).sum((1, 2)))
    for scale, energy in energies.items():
        chosen = [j for j, s in enumerate(basis_scales(layer)) if s == scale]
        torch.testing.assert_close(
            energy, alpha[:, :, chosen].pow(2).sum((1, 2)))


@pytest.mark.parametrize('index, scale', [(0, 3), (5, 3), (6, 5), (17, 7)])
def test_one_hot_coefficients_show_their_scale(index, scale):
    def one_hot(layer):
        return F.one_hot(
            torch.tensor(index + 18), layer.num_atoms * 18).double()

    layer = constant_layer(
        one_hot, kernel_size=3, padding=1, scales=(3, 5, 7))
    with CoefficientCapture(layer) as captured:
        layer(torch.rand(1, 1, 6, 5))
    alpha = captured[''].coefficients
    for found, energy in scale_energies(layer, alpha).items():
        expected = float(found == scale)
        assert torch.equal(energy, torch.full((1, 6, 5), expected)), found
    # The second atom is the element itself, within its scale.
    atoms = atoms_of(layer, alpha[0, :, :, 2, 3])
    torch.testing.assert_close(atoms[1], layer.atom_bases[index])
    assert not atoms[[0, 2, 3, 4, 5]].any()
    margin = (7 - scale) // 2
    energy = tap_energy(layer, atoms)
    inside = energy[margin:7 - margin, margin:7 - margin]
    torch.testing.assert_close(inside.sum(), energy.sum())


def patch_of(layer, x, pixel):
    """What the taps of a pixel see, (C, k, k), with the layer's padding."""
    pad = tuple(p + d * (layer.support - layer.kernel_size[0]) // 2
                for p, d in zip(layer.padding, layer.dilation))
    mode = layer.padding_mode
    padded = F.pad(x[None], (pad[1], pad[1], pad[0], pad[0]),
                   'constant' if mode == 'zeros' else mode)[0]
    rows, columns = tap_positions(layer, pixel)
    rows = [row + pad[0] for row in rows]
    columns = [column + pad[1] for column in columns]
    return padded[:, rows][:, :, columns]


@every_adaptive
@torch.no_grad()
def test_composed_filters_give_the_layers_output(options):
    layer, x, output, (_, alpha, _) = captured_layer(options)
    height, width = output.shape[2:]
    per_group = 4 // layer.groups
    for pixel in ((0, 0), (height - 1, width - 1), (height // 2, 1 % width)):
        coefficients = alpha[1, :, :, pixel[0], pixel[1]]
        filters = compose_filters(layer, atoms_of(layer, coefficients))
        patch = patch_of(layer, x[1], pixel)
        for out in range(8):
            first = out // (8 // layer.groups) * per_group
            result = (filters[out] * patch[first:first + per_group]).sum()
            if layer.bias is not None:
                result += layer.bias[out]
            torch.testing.assert_close(
                result, output[(1, out) + pixel], rtol=1e-8, atol=1e-10)


@every_adaptive
def test_tap_energy_is_that_of_all_filters(options):
    layer, _, _, (_, alpha, _) = captured_layer(options)
    atoms = atoms_of(layer, alpha[0, ..., 0, 1])
    filters = compose_filters(layer, atoms)
    torch.testing.assert_close(
        tap_energy(layer, atoms), filters.pow(2).sum((0, 1)))
    torch.testing.assert_close(
        compose_filters(layer, atoms, [2, 5], [0]), filters[[2, 5]][:, [0]])


@pytest.mark.parametrize('name', ['drop-in', 'direct', 'groups-2'])
def test_likeness_is_the_cosine_of_the_filters(name):
    layer, _, _, (_, alpha, _) = captured_layer(ADAPTIVE[name], (6, 5))
    filters = torch.stack([
        compose_filters(layer, atoms_of(layer, alpha[0, :, :, r, c])).flatten()
        for r in range(6) for c in range(5)
    ])
    brute = F.cosine_similarity(filters[13], filters, dim=1)
    cosine = filter_similarity(layer, alpha[0], (2, 3))
    torch.testing.assert_close(cosine.flatten(), brute)
    order = brute.argsort(descending=True).tolist()
    assert order[0] == 13
    found = similar_pixels(layer, alpha[0], (2, 3), count=7, radius=0)
    assert [r * 5 + c for (r, c), _ in found] == order[1:8]
    torch.testing.assert_close(
        torch.tensor([value for _, value in found]).double(),
        brute[order[1:8]].double())


def test_similar_pixels_keep_their_distance():
    layer, _, _, (_, alpha, _) = captured_layer(ADAPTIVE['plain'], (12, 11))
    found = similar_pixels(layer, alpha[0], (6, 5), count=99, radius=2)
    places = [(6, 5)] + [place for place, _ in found]
    for n, (row, column) in enumerate(places):
        assert all(max(abs(row - r), abs(column - c)) > 2
                   for r, c in places[:n])
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True) and 4 <= len(values) < 25


@every_adaptive
def test_image_positions_lead_back(options):
    layer, x, _, found = captured_layer(options)
    for scale in (1, 3):
        size = tuple(scale * n for n in x.shape[2:])
        for pixel in ((0, 0), (1, 1)):
            position = image_position(found, pixel, size)
            rows, columns = tap_positions(layer, pixel)
            if scale == 1:
                half = layer.support // 2
                assert position == (rows[half], columns[half])
            if all(0 <= p < n for p, n in zip(position, size)):
                assert layer_pixel(found, position, size) == pixel
    with pytest.raises(ValueError, match='outside of the image of 9 x 8'):
        layer_pixel(found, (9, 0), (9, 8))


def test_pixel_of_a_deeper_layer():
    layer = ACDAConv(1, 1, 3, stride=2, padding=1)
    found = CapturedLayer(layer, torch.zeros(1, 6, 6, 4, 4), (8, 8))
    # Each input pixel is 4 image pixels wide: 2 * 1 is 8 to 11.
    assert image_position(found, (1, 0), (32, 32)) == (9.5, 1.5)
    assert layer_pixel(found, (31, 0), (32, 32)) == (3, 0)

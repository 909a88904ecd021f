"""A shift of the input by any vector shifts the layer's output."""
import pytest
import torch
import torch.nn as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from mmacda.layers import ACDAConv

TOLERANCE = 1e-12
quick = settings(
    max_examples=100, deadline=None, derandomize=True, database=None)
SHIFTS = [(0, 1), (1, 0), (-1, 2), (3, -4), (5, 7), (-6, -5)]
LAYERS = {
    'plain': dict(kernel_size=3, padding=1),
    'drop-in': dict(kernel_size=3, padding=1, scales=(3, 5, 7)),
    'direct': dict(kernel_size=5, padding=2, atom_bases=None),
    'stride-2': dict(kernel_size=3, padding=1, stride=2),
    'stride-3': dict(kernel_size=5, padding=2, stride=3),
    'dilation-2': dict(kernel_size=3, padding=2, dilation=2, scales=(3, 5)),
    'dilation-stride': dict(kernel_size=3, padding=2, dilation=2, stride=2),
    'groups': dict(kernel_size=3, padding=1, groups=2),
    'depthwise': dict(kernel_size=5, padding=2, groups=4),
    'pointwise-generator': dict(
        kernel_size=3, padding=1, atom_generator=dict(kernel_size=1)),
    'wide-generator': dict(
        kernel_size=3, padding=1, atom_generator=dict(kernel_size=(5, 3))),
    'pointwise': dict(kernel_size=1, stride=2),
}
every_layer = pytest.mark.parametrize('options', LAYERS.values(), ids=LAYERS)


def build(options, **more):
    """A layer in eval mode whose norms do something."""
    torch.manual_seed(0)
    layer = ACDAConv(4, 4, **options, **more).double().eval()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.bias)
    return layer


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def interior(layer, size, axis):
    """Output positions along an axis that no padding reaches.

    An output depends on the input under its atoms, and on what its
    coefficients depend on: the second generator convolution looks at output
    neighbours, the first at the input around each of these.
    """
    stride, dilation = layer.stride[axis], layer.dilation[axis]
    kernel, padding = layer.kernel_size[axis], layer.padding[axis]
    reach, neighbours = dilation * (layer.support // 2), 0
    if not layer.pointwise:
        first, second = (conv.kernel_size[0] // 2
                         for conv in (layer.atom_generator.conv1,
                                      layer.atom_generator.conv2))
        reach = max(reach, stride * second + dilation * first)
        neighbours = second
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    positions = []
    for position in range(neighbours, count - neighbours):
        centre = position * stride - padding + dilation * (kernel // 2)
        if centre - reach >= 0 and centre + reach < size:
            positions.append(position)
    return positions


def check_zeros(layer, shift, size=(40, 41)):
    """Two windows on one scene, ``shift`` output pixels apart."""
    steps = [n * s for n, s in zip(shift, layer.stride)]
    scene = draw(1, 4, *(n + abs(s) for n, s in zip(size, steps)))
    outputs, kept = [], []
    for side in (1, -1):
        top, left = (max(0, side * s) for s in steps)
        window = scene[:, :, top:top + size[0], left:left + size[1]]
        outputs.append(layer(window))
    # Position p of the second window is position p - shift of the first.
    for axis, move in enumerate(shift):
        inside = interior(layer, size[axis], axis)
        kept.append([p for p in inside if p - move in inside])
        assert len(kept[-1]) >= 2, 'no interior left to compare'
    rows, columns = kept
    first = outputs[0][:, :, [p - shift[0] for p in rows]]
    first = first[..., [p - shift[1] for p in columns]]
    second = outputs[1][:, :, rows][..., columns]
    assert (first - second).abs().max() < TOLERANCE * first.abs().max()


def check_circular(layer, shift, size=(12, 18)):
    x = draw(2, 4, *size)
    steps = [n * s for n, s in zip(shift, layer.stride)]
    output = layer(x)
    assert output.shape[2:] == tuple(
        n // s for n, s in zip(size, layer.stride))
    moved = layer(torch.roll(x, steps, (2, 3)))
    expected = torch.roll(output, shift, (2, 3))
    error = (moved - expected).abs().max()
    assert error < TOLERANCE * expected.abs().max()


@every_layer
@pytest.mark.parametrize('shift', SHIFTS, ids=str)
def test_circular_padding_whole_map(options, shift):
    check_circular(build(options, padding_mode='circular'), shift)


@every_layer
@pytest.mark.parametrize('shift', SHIFTS[:4], ids=str)
def test_zero_padding_interior(options, shift):
    check_zeros(build(options), shift)


@pytest.mark.parametrize('padding_mode', ('reflect', 'replicate'))
def test_other_padding_modes_interior(padding_mode):
    for options in (LAYERS['drop-in'], LAYERS['stride-2']):
        check_zeros(build(options, padding_mode=padding_mode), (2, -3))


@pytest.mark.parametrize('padding', range(5))
def test_any_amount_of_padding(padding):
    for options in (dict(kernel_size=3), dict(kernel_size=5, stride=2)):
        check_zeros(build(dict(options, padding=padding)), (-2, 1))


def test_circular_padding_while_training():
    """Batch statistics do not see a rotation of the map."""
    layer = build(LAYERS['drop-in'], padding_mode='circular').train()
    check_circular(layer, (3, -5))


def test_one_pixel_less_interior_would_fail():
    """The margin is tight: the zeros do reach the next pixel."""
    layer = build(LAYERS['plain'])
    x = draw(1, 4, 16, 16)
    changed = x.clone()
    changed[:, :, 0] += 1
    difference = (layer(x) - layer(changed)).abs().amax((0, 1, 3))
    reached = difference.nonzero().flatten().tolist()
    # Rows within 2 of the changed row 0, since two 3 x 3 look 2 far.
    assert reached == [0, 1, 2]
    assert interior(layer, 16, 0) == list(range(2, 14))


@quick
@given(
    shift=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
    kernel=st.sampled_from((1, 3, 5)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    groups=st.sampled_from((1, 2, 4)),
    direct=st.booleans())
def test_any_vector_circular(shift, kernel, stride, dilation, groups, direct):
    layer = build(
        dict(
            kernel_size=kernel,
            stride=stride,
            dilation=dilation,
            padding=dilation * (kernel // 2),
            groups=groups,
            num_atoms=2,
            atom_bases=None if direct else 'fourier_bessel',
            atom_generator=dict(hidden_channels=8)),
        padding_mode='circular')
    check_circular(layer, shift, (6 * stride, 5 * stride))


@quick
@given(
    shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    kernel=st.sampled_from((1, 3, 5)),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 5),
    wide=st.booleans())
def test_any_vector_zeros(shift, kernel, stride, dilation, padding, wide):
    layer = build(
        dict(
            kernel_size=kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
            num_atoms=2,
            scales=(3, 5) if wide and kernel > 1 else None,
            atom_generator=dict(hidden_channels=8)))
    check_zeros(layer, shift, (34 * stride, 33 * stride))

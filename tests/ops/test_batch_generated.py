"""Coefficients by the statistics of a batch, against the definition."""
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mmacda.ops import fourier_bessel_bases, reference
from mmacda.ops.backends.native import is_unavailable
from mmacda.ops.backends.native.batch import Affine
from mmacda.ops.batch_generated import (BatchGenerator,
                                        adaptive_conv2d_batch_generated)
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import relative_error, upstream_of

pytestmark = pytest.mark.skipif(
    bool(is_unavailable()), reason='no native library')
ATOMS, OUT = 3, 7
NAMES = ('x', 'first', 'gamma1', 'beta1', 'second', 'gamma2', 'beta2',
         'weight', 'bias')


def draw(shape, hidden=5, size=None, offset=0., affine=True):
    """Operands by name; bases of 5 x 5 and 6 coefficients."""
    rand = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(shape, generator=rand, dtype=torch.float64)

    channels, rows = shape[1], ATOMS * 6
    operands = dict(
        x=normal(*shape) + offset, first=normal(hidden, channels, 1, 1),
        second=normal(rows, hidden, 1, 1),
        weight=normal(OUT, channels * ATOMS, 1, 1), bias=normal(OUT))
    for n, count in (('1', hidden), ('2', rows)):
        operands['gamma' + n] = normal(count) if affine else None
        operands['beta' + n] = normal(count) if affine else None
    return operands


def run(operands, stride=1, tanh=True, given_maps=False, wanted=NAMES,
        define=False):
    """Output, statistics, and gradients by name."""
    dtype = torch.float64 if define else torch.float32
    values = {k: v if v is None else v.detach().to(
        dtype, memory_format=torch.preserve_format).requires_grad_(
            k in wanted) for k, v in operands.items()}
    bases = fourier_bessel_bases((5, ), 6).to(dtype)
    geometry = ConvGeometry((stride, stride), (2, 2), (1, 1), 1)
    x, maps = values['x'], None
    if given_maps or define:
        maps = F.conv2d(x, values['first'], None, stride)
    generator = BatchGenerator(
        None if given_maps else values['first'],
        Affine(values['gamma1'], values['beta1'], 1e-5), values['second'],
        Affine(values['gamma2'], values['beta2'], 1e-3), ATOMS, tanh)
    size = geometry.output_size(x.shape[2:], 5)
    if define:
        alpha = generator.coefficients(maps)
        y = reference.adaptive_conv2d(x, alpha, bases, values['weight'],
                                      values['bias'], *geometry)
        hidden = generator._norm(maps, generator.first).tanh()
        moments = torch.cat([
            m for v in (maps, F.conv2d(hidden, values['second']))
            for m in (v.mean((0, 2, 3)), v.var((0, 2, 3)))])
    else:
        y, moments = adaptive_conv2d_batch_generated(
            x, maps, generator, bases, values['weight'], values['bias'],
            geometry, size)
    names = [n for n in wanted if values[n] is not None]
    grads = torch.autograd.grad(y, [values[n] for n in names],
                                upstream_of(y).to(dtype))
    return y.detach(), moments.detach(), dict(zip(names, grads))


def compare(actual, expected, tolerance=1e-5):
    for ours, theirs in zip(actual[:2], expected[:2]):
        assert relative_error(ours, theirs) < tolerance
    assert actual[2].keys() == expected[2].keys()
    for name, grad in actual[2].items():
        assert relative_error(grad, expected[2][name]) < tolerance, name


@pytest.mark.parametrize('given_maps', [False, True])
@pytest.mark.parametrize('options', [
    dict(shape=(3, 4, 9, 11)),
    dict(shape=(2, 4, 9, 11), stride=2),
    dict(shape=(2, 3, 41, 2)),  # turned
    dict(shape=(1, 2, 1, 9)),
    dict(shape=(2, 3, 70, 61)),  # more tiles than chunks
    dict(shape=(2, 17, 6, 37), hidden=33, tanh=False),
    dict(shape=(2, 19, 8, 8), affine=False, hidden=64),
], ids=str)
def test_equals_the_definition(options, given_maps):
    options = dict(options)
    how = {k: options.pop(k) for k in ('stride', 'tanh') if k in options}
    operands = draw(**options)
    compare(run(operands, given_maps=given_maps, **how),
            run(operands, define=True, **how))


def test_channels_last():
    operands = draw((2, 6, 9, 10))
    operands['x'] = operands['x'].contiguous(
        memory_format=torch.channels_last)
    actual = run(operands)
    assert actual[0].is_contiguous(memory_format=torch.channels_last)
    compare(actual, run(operands, define=True))


@pytest.mark.parametrize('wanted', [
    ('x', ), ('first', ), ('gamma1', ), ('beta1', ), ('second', ),
    ('gamma2', 'beta2'), ('weight', ), ('bias', 'second')], ids=str)
def test_only_what_is_wanted(wanted):
    operands = draw((2, 4, 7, 9))
    compare(run(operands, wanted=wanted),
            run(operands, wanted=wanted, define=True))


def test_maps_far_from_zero():
    """No less exact than PyTorch's own norms in float32."""
    operands = draw((2, 4, 12, 13), offset=50.)
    exact = run(operands, define=True)
    ours = run(operands)
    plain = {k: v if v is None else v.float() for k, v in operands.items()}
    maps = F.conv2d(plain['x'], plain['first'])
    theirs = F.batch_norm(maps, None, None, training=True)
    double = F.conv2d(operands['x'], operands['first'])
    expected = F.batch_norm(double, None, None, training=True)
    bound = 10 * relative_error(theirs, expected) + 1e-5
    assert relative_error(ours[0], exact[0]) < bound
    assert relative_error(ours[1], exact[1]) < 1e-5


def test_threads_change_nothing():
    operands, results = draw((2, 8, 33, 40), hidden=16), []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(run(operands))
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(results[0][:2], results[1][:2]):
        assert torch.equal(one, two)
    for name, grad in results[0][2].items():
        assert torch.equal(grad, results[1][2][name]), name


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_backward_that_is_recorded_is_plain():
    operands = draw((2, 4, 7, 9))
    values = {k: v.float().requires_grad_() for k, v in operands.items()}
    generator = BatchGenerator(
        values['first'], Affine(values['gamma1'], values['beta1'], 1e-5),
        values['second'], Affine(values['gamma2'], values['beta2'], 1e-3),
        ATOMS, True)
    y, _ = adaptive_conv2d_batch_generated(
        values['x'], None, generator, fourier_bessel_bases((5, ), 6).float(),
        values['weight'], values['bias'],
        ConvGeometry((1, 1), (2, 2), (1, 1), 1), (7, 9))
    names = list(values)
    with Recorder() as recorder:
        grads = torch.autograd.grad(y, [values[n] for n in names],
                                    upstream_of(y).float())
    assert any('batch_norm_backward' in name for name in recorder.seen)
    expected = run(operands, define=True)[2]
    for name, grad in zip(names, grads):
        assert relative_error(grad, expected[name]) < 1e-5, name


def test_no_second_derivatives():
    values = {k: v.float().requires_grad_()
              for k, v in draw((2, 4, 7, 9)).items()}
    generator = BatchGenerator(
        values['first'], Affine(values['gamma1'], values['beta1'], 1e-5),
        values['second'], Affine(values['gamma2'], values['beta2'], 1e-3),
        ATOMS, True)
    y, _ = adaptive_conv2d_batch_generated(
        values['x'], None, generator, fourier_bessel_bases((5, ), 6).float(),
        values['weight'], None, ConvGeometry((1, 1), (2, 2), (1, 1), 1),
        (7, 9))
    grad, = torch.autograd.grad(y.square().sum(), values['x'],
                                create_graph=True)
    with pytest.raises(RuntimeError, match='no second derivatives'):
        torch.autograd.grad(grad.sum(), values['x'])

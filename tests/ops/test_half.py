"""Half precision in the C backend: rounding is all that it may cost."""
import numpy as np
import pytest
import torch

from mmacda.ops import Generator, adaptive_conv2d_generated
from mmacda.ops.backends import export, native
from mmacda.ops.backends.native.half import pair_taps

from .test_native import exact, make_case, needs_library, run

DTYPES = pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16],
                                 ids=str)
CASES = pytest.mark.parametrize('options', [
    dict(),
    dict(size=(5, 300), batch=1, channels=3),
    dict(size=(1, 1), batch=33),
    dict(size=(45, 2), kernel=5, padding=(1, 2), dilation=(2, 1)),
    dict(size=(50, 9), kernel=3, padding=(0, 2), stride=(1, 2), groups=17,
         out_channels=17),
    dict(size=(34, 33), stride=2, groups=17, out_channels=51),
    dict(kernel=5, padding=5, dilation=2, atoms=1),
    dict(kernel=3, padding=0, stride=3, dilation=3, atoms=7, size=(60, 61)),
    dict(kernel=9, padding=4, size=(19, 20), atoms=2),
    dict(kernel=5, padding=2, direct=True, atoms=5, out_channels=70),
    dict(channels=40, out_channels=24, groups=2, size=(30, 29)),
], ids=str)


@pytest.fixture(params=[True, False], ids=['pairs', 'floats'])
def library(request, monkeypatch):
    """With products of bfloat16 pairs, where the CPU has them, and without."""
    functions, _ = native.library()
    if request.param and not functions.mmacda_has_dots():
        pytest.skip('the CPU has no such products, or the compiler')
    before = functions.mmacda_use_dots(request.param)
    yield
    functions.mmacda_use_dots(before)


def convert(tensors, dtype):
    return [t.detach().to(dtype).requires_grad_() for t in tensors]


def distance(ours, theirs):
    """Error in units of the dtype's precision, relative to the norm."""
    error = (ours.double() - theirs).norm() / theirs.norm()
    return error.item() / torch.finfo(ours.dtype).eps


@needs_library
@DTYPES
@CASES
def test_output_and_gradients(options, dtype, library, nan_in_new_memory):
    tensors, bases, geometry = make_case(**options)
    tensors = convert(tensors, dtype)
    results = run(tensors, bases, geometry)
    for ours, theirs in zip(results, exact(tensors, bases, geometry)):
        assert ours.dtype == dtype and ours.shape == theirs.shape
        assert distance(ours, theirs) < 0.5


@needs_library
@CASES
def test_no_more_is_lost_than_by_convolutions(options, library):
    """PyTorch's own, which round what is between two products as well."""
    tensors, bases, geometry = make_case(**options)
    tensors = convert(tensors, torch.bfloat16)
    expected = exact(tensors, bases, geometry)
    results = run(tensors, bases, geometry)
    output = export.adaptive_conv2d(tensors[0], tensors[1], bases,
                                    tensors[2], None, *geometry)
    upstream = torch.linspace(-1, 1, output.numel()).view(output.shape)
    rivals = [output, *torch.autograd.grad(output, tensors, upstream.to(
        output.dtype))]
    for ours, theirs, true in zip(results, rivals, expected):
        assert distance(ours, true) < 1.1 * distance(theirs, true)


@needs_library
@DTYPES
def test_any_memory_format(dtype, library):
    tensors, bases, geometry = make_case(channels=18)
    x, alpha, weight = (t.detach() for t in convert(tensors, dtype))
    expected = run(convert((x, alpha, weight), dtype), bases, geometry)
    last = torch.channels_last
    alpha_last = alpha.flatten(1, 2).to(memory_format=last).view(alpha.shape)
    wide = torch.zeros(*x.shape[:3], 2 * x.shape[3], dtype=dtype)
    wide[..., ::2] = x
    for changed in ((x.to(memory_format=last), alpha_last),
                    (wide[..., ::2], alpha)):
        leaves = [t.detach().requires_grad_() for t in (*changed, weight)]
        results = run(leaves, bases, geometry)
        assert all(map(torch.equal, results, expected))
        assert results[0].is_contiguous(
            memory_format=last if changed[0].is_contiguous(
                memory_format=last) else torch.contiguous_format)


@needs_library
def test_every_value_is_converted_as_pytorch_does(library):
    """A filter of one tap passes all values of 16 bits through, NaN too."""
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    for dtype in (torch.bfloat16, torch.float16):
        values = bits.view(dtype)
        if dtype == torch.bfloat16:  # products may take these for zero
            values = values[(values.abs() > 1e-37) | values.isnan()]
        x = values.view(1, 1, 1, -1)
        taps = torch.ones(1, 1, 1, 1, x.numel(), dtype=dtype)
        output = run_plain(x, taps, torch.ones(1, 1, 1, 1, dtype=dtype))
        same = (output == x) | (output.isnan() & x.isnan())
        assert same.all()


def run_plain(x, alpha, weight):
    from mmacda.ops import adaptive_conv2d
    return adaptive_conv2d(x, alpha, None, weight, backend='native')


@needs_library
def test_rounds_to_the_nearest_even(library):
    x = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 3e38, 0.])
    tap = torch.ones(1, 1, 1, 1, 5)
    weight = torch.ones(1, 1, 1, 1)
    for dtype in (torch.bfloat16, torch.float16):
        # Sums of two channels need more bits than each of them.
        pair = torch.stack((x.sign(), x - x.sign()))[None, :, None].to(dtype)
        output = run_plain(pair, tap.to(dtype), weight.expand(
            1, 2, 1, 1).to(dtype))
        exact = pair.float().sum(1, keepdim=True)
        assert torch.equal(output, exact.to(dtype))


@needs_library
@pytest.mark.parametrize('hidden', [16, 5, 1])
@pytest.mark.parametrize('tanh', [True, False])
@DTYPES
def test_coefficients_on_the_fly(hidden, tanh, dtype, library,
                                 nan_in_new_memory):
    tensors, bases, geometry = make_case(size=(23, 18), groups=1)
    x, alpha, weight = (t.detach() for t in tensors)
    batch, atoms, count, height, width = alpha.shape
    seed = torch.Generator().manual_seed(1)
    maps = torch.randn(batch, hidden, height, width, generator=seed)
    matrix = torch.randn(atoms * count, hidden + 1, generator=seed) / 4
    matrix[:, -1] *= 8  # a shift that 8 bits would not hold
    leaves = [t.requires_grad_() for t in (
        x.to(dtype), maps.to(dtype), matrix, weight.to(dtype))]
    doubles = [t.detach().double().requires_grad_() for t in leaves]
    results = []
    for x, maps, matrix, weight in (leaves, doubles):
        output = adaptive_conv2d_generated(
            x, maps, Generator(matrix, atoms, tanh), bases.to(
                matrix.dtype), weight, None, *geometry)
        upstream = torch.linspace(-1, 1, output.numel()).view(output.shape)
        results.append([output, *torch.autograd.grad(
            output, (x, maps, matrix, weight), upstream.to(output.dtype))])
    assert [t.dtype for t in results[0]] == [
        dtype, dtype, dtype, torch.float32, dtype]
    eps = torch.finfo(dtype).eps
    for ours, theirs in zip(*results):
        error = (ours.double() - theirs).norm() / theirs.norm()
        assert error < eps


@needs_library
def test_thread_count_does_not_change_a_bit(library):
    tensors, bases, geometry = make_case(channels=40, size=(40, 41))
    tensors = convert(tensors, torch.bfloat16)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(run(tensors, bases, geometry))
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, *results))


def test_pairs_of_taps_are_equally_far_apart():
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 9, 30):
        offsets = rng.choice(200, size, replace=False)
        step, (first, second) = pair_taps(offsets)
        assert sorted([*first, *second[second >= 0]]) == list(range(size))
        paired = second >= 0
        assert (offsets[second[paired]] - offsets[first[paired]] ==
                step).all()
    square = [9 * row + column for row in range(4) for column in range(4)]
    assert pair_taps(square)[1].shape == (2, 8)


@needs_library
def test_a_cpu_that_cannot_convert(monkeypatch):
    tensors, bases, geometry = make_case(size=(9, 8))
    tensors = convert(tensors, torch.float16)
    expected = run(tensors, bases, geometry)
    monkeypatch.setattr(native, 'readable_storages', lambda: 3)
    results = run(tensors, bases, geometry)
    assert all(map(torch.equal, results, expected))

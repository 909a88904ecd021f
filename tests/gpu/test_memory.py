"""Memory that runs out, that is large, and values that are not finite."""
import pytest
import torch

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases, reference
from mmacda.ops.backends import triton
from mmacda.ops.backends.triton import trial
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import Case, relative_error

from .layers import error

GIB = 2**30


@pytest.fixture
def no_verdicts(monkeypatch):
    monkeypatch.setattr(trial, '_verdicts', {})
    yield trial._verdicts


def test_memory_that_runs_out_is_no_verdict(no_verdicts):
    case = Case('memory', in_channels=16, out_channels=16)
    operands = case.operands(torch.float32, 'cuda')
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-6)
    kept = []
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            while True:  # what the allocator has left of its blocks
                kept.append(torch.empty(512, device='cuda'))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            adaptive_conv2d(**operands, **case.geometry)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.)
        kept.clear()
    assert not any(trial._verdicts.values())
    ours = adaptive_conv2d(**operands, **case.geometry, backend='triton')
    right = reference.adaptive_conv2d(**operands, **case.geometry)
    assert relative_error(ours, right) < 1e-4
    assert set(trial._verdicts.values()) == {None}


def draw_large(side, dtype, channels=64, atoms=6):
    def draw(*shape):
        return torch.empty(shape, dtype=dtype, device='cuda').uniform_(-1, 1)

    bases = fourier_bessel_bases((3, 5, 7), 6).to('cuda')
    x = draw(1, side, side, channels).permute(0, 3, 1, 2)
    alpha = draw(1, side, side, atoms * len(bases)).permute(0, 3, 1, 2).view(
        1, atoms, len(bases), side, side)
    weight = draw(channels, channels * atoms, 1, 1)
    return x, alpha, bases, weight


def test_more_elements_than_32_bits_count():
    """The last rows are those of a call that has no others."""
    if torch.cuda.mem_get_info()[0] < 60 * GIB:
        pytest.skip('needs 60 GiB of free memory')
    side, rows = 5800, 24
    x, alpha, bases, weight = draw_large(side, torch.bfloat16)
    assert x.numel() > 2**31
    y = adaptive_conv2d(x, alpha, bases, weight, padding=3, backend='triton')
    part = adaptive_conv2d(x[:, :, -rows:], alpha[..., -rows:, :], bases,
                           weight, padding=3, backend='triton')
    assert error(y[:, :, 8 - rows:], part[:, :, 8:]) <= 1e-3
    assert y[:, :, -1].abs().amax() > 0
    dy = y.detach()
    needs = True, True, False, False
    geometry = ConvGeometry((1, 1), (3, 3), (1, 1), 1)
    found = triton.backward(dy, x, alpha, bases, weight, geometry, needs)
    small = triton.backward(dy[:, :, -rows:].contiguous(), x[:, :, -rows:],
                            alpha[..., -rows:, :], bases, weight, geometry,
                            needs)
    for ours, right in zip(found[:2], small[:2]):
        assert error(ours[..., 8 - rows:, :], right[..., 8:, :]) <= 1e-3


@pytest.mark.parametrize('dtype', triton.DTYPES, ids=str)
@pytest.mark.parametrize('value', [float('inf'), float('nan')])
def test_what_is_not_finite_stays_where_filters_reach(value, dtype):
    x, alpha, bases, weight = draw_large(13, dtype)
    clean = adaptive_conv2d(x, alpha, bases, weight, padding=3,
                            backend='triton')
    x[0, 5, 6, 7] = value
    y = adaptive_conv2d(x, alpha, bases, weight, padding=3, backend='triton')
    live = bases.abs().amax(0).flip(0, 1) > 0
    near = torch.zeros(13, 13, dtype=torch.bool, device='cuda')
    near[3:10, 4:11] = live
    assert not y[0, :, near].isfinite().any()
    # Patches with such a value are summed anew, in another order.
    assert error(y[0, :, ~near], clean[0, :, ~near]) <= {
        torch.bfloat16: 3e-3, torch.float16: 4e-4}.get(dtype, 1e-6)

"""Weighted sums of rows, and the patches made of them."""
import pytest
import torch

from mmacda.ops.backends.bases import describe
from mmacda.ops.backends.chunks import split_pixels
from mmacda.ops.backends.stock.bags import LEAST_WIDTH, BaggedPatches, sum_bags
from mmacda.ops.backends.stock.patches import GatheredPatches, crop
from mmacda.ops.geometry import ConvGeometry
from mmacda.ops.memory_format import copy_to_pixels, spread_planes
from mmacda.testing.cases import PAPER, Case, relative_error

CASES = [
    Case('paper', 2, 5, size=(4, 18), padding=(3, 3), **PAPER),
    Case('narrow', 2, 5, size=(6, 5), padding=(3, 3), **PAPER),
    Case('stride', 2, 5, size=(9, 37), stride=(2, 2), padding=(1, 2)),
    Case('dilation', 2, 5, size=(9, 21), dilation=(2, 2), padding=(2, 1)),
    Case('high-dilation', 2, 5, size=(9, 21), dilation=(2, 1)),
    Case('beyond', 1, 2, size=(2, 16), padding=(4, 4)),
    Case('direct', 1, 4, size=(5, 17), scales=None, kernel=5),
]


def test_sums_are_those_of_a_loop():
    rows = torch.rand(7, 5)
    numbers = torch.tensor([[0, 6, 6], [3, 1, 2]], dtype=torch.int32)
    weights = torch.rand(2, 3)
    sums = sum_bags(rows, numbers, weights, 4)
    assert sums.shape == (4, 5)
    for n in range(2):
        wanted = sum(weights[n, i] * rows[numbers[n, i]] for i in range(3))
        assert torch.allclose(sums[n], wanted)
    assert not sums[2:].any(), 'nothing to sum'


@pytest.mark.parametrize('rows', [1, 3, 100])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_bags_do_what_gathered_patches_do(case, rows):
    """Convolution, correlation and its way back, chunk by chunk."""
    operands = case.operands()
    x, geometry = operands['input'], ConvGeometry.checked(**case.geometry)
    live = describe(operands['atom_bases'], case.support**2).live
    bags = BaggedPatches(x, case.support, live, case.out_size, geometry, 16)
    peer = GatheredPatches(x, case.support, live, case.out_size, geometry)
    assert bags.in_columns is (case.out_size[1] >= LEAST_WIDTH
                               and case.dilation[1] == 1)
    height, width = case.out_size
    grads = [torch.zeros_like(peer.padded) for _ in range(2)]
    for chunk in split_pixels(case.batch, height, width, rows * width):
        pixels = chunk.shape[0] * chunk.shape[1] * width
        atoms = torch.randn(pixels, 2, case.support**2, dtype=x.dtype)
        ours, theirs = (atoms[..., p.taps].contiguous()
                        for p in (bags, peer))
        z = bags.convolve(chunk, ours)
        assert len(z) % 16 == 0 and not z[pixels:].any()
        assert relative_error(z[:pixels],
                              peer.convolve(chunk, theirs)) < 1e-12
        grad_z = torch.randn(pixels, 2, case.in_channels, dtype=x.dtype)
        grad = torch.zeros_like(atoms)
        grad[..., bags.grad_taps] = bags.correlate(chunk, grad_z)
        assert relative_error(grad[..., live],
                              peer.correlate(chunk, grad_z)) < 1e-12
        for patches, given, total in ((bags, ours, grads[0]),
                                      (peer, theirs, grads[1])):
            patches.scatter(total, chunk, patches.turn(chunk, given), grad_z)
    assert relative_error(*(crop(grad, geometry) for grad in grads)) < 1e-12


@pytest.mark.parametrize('size, copied', [((32, 32), True), ((31, 33), False),
                                          ((2, 512), True)])
def test_planes_at_bad_distances_are_spread(size, copied):
    x = torch.rand(2, 3, *size)
    spread = spread_planes(x)
    assert torch.equal(spread, x)
    assert (spread.data_ptr() != x.data_ptr()) is copied
    assert (spread.stride(1) * 4 % 4096 != 0) or not copied


@pytest.mark.parametrize('x', [
    torch.rand(2, 19, 32, 32), torch.rand(2, 19, 5, 3),
    torch.rand(1, 19, 256, 260), torch.rand(0, 3, 32, 32),
    torch.rand(0, 1, 4, 4).expand(-1, 3, -1, -1),
    torch.rand(2, 1, 4, 4).expand(-1, 3, -1, -1)
], ids=lambda x: str(tuple(x.shape)))  # yapf: disable
def test_copies_to_pixels(x):
    target = x.new_empty(x.shape).contiguous(
        memory_format=torch.channels_last)
    copy_to_pixels(x, target)
    assert torch.equal(target, x)

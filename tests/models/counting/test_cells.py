"""Cells of several pixels: nothing of the sum is lost."""
import pytest
import torch

from mmacda.models.counting.cells import block_sum, num_cells, spread

SIZES = [(1, 1), (5, 7), (8, 8), (9, 16), (17, 3)]


@pytest.mark.parametrize('stride', [1, 2, 4])
@pytest.mark.parametrize('shape', SIZES)
def test_block_sum_is_the_sum_of_each_block(shape, stride):
    torch.manual_seed(0)
    density = torch.rand(2, 1, *shape, dtype=torch.float64)
    cells = block_sum(density, stride)
    assert cells.shape[-2:] == tuple(num_cells(n, stride) for n in shape)
    for row in range(cells.shape[-2]):
        for column in range(cells.shape[-1]):
            block = density[..., row * stride:(row + 1) * stride,
                            column * stride:(column + 1) * stride]
            torch.testing.assert_close(cells[..., row, column],
                                       block.sum((-2, -1)))


@pytest.mark.parametrize('stride', [1, 2, 4])
@pytest.mark.parametrize('shape', SIZES)
def test_spread_is_even_and_inverted_by_block_sum(shape, stride):
    torch.manual_seed(0)
    cells = torch.rand(
        3, *(num_cells(n, stride) for n in shape), dtype=torch.float64)
    density = spread(cells, stride, shape)
    assert density.shape == (3, *shape)
    torch.testing.assert_close(block_sum(density, stride), cells)
    inside = density[..., :stride, :stride]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))

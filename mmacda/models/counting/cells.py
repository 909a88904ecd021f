"""Between pixels and cells of stride x stride pixels; sums are kept."""
from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor


def num_cells(pixels: int, stride: int) -> int:
    """Cells that cover so many pixels; the last one may reach beyond."""
    return -(-pixels // stride)


def block_sum(density: Tensor, stride: int) -> Tensor:
    """People per cell from people per pixel.

    Args:
        density (Tensor): Shape (..., H, W).
        stride (int): Side of a cell in pixels.

    Returns:
        Tensor: Shape (..., ceil(H / stride), ceil(W / stride)), same sum.
    """
    height, width = density.shape[-2:]
    padded = F.pad(density, (0, -width % stride, 0, -height % stride))
    blocks = padded.unflatten(-1, (-1, stride)).unflatten(-3, (-1, stride))
    return blocks.sum((-3, -1))


def spread(cells: Tensor, stride: int, shape: Tuple[int, int]) -> Tensor:
    """People per pixel: each cell's evenly over its pixels in the image.

    Args:
        cells (Tensor): People per cell, (..., h, w).
        stride (int): Side of a cell in pixels.
        shape (Tuple[int, int]): Height and width of the image in pixels; its
            last cells may reach beyond it.

    Returns:
        Tensor: Shape (..., H, W), same sum.
    """
    for dim, pixels in zip((-2, -1), shape):
        sides = cells.new_full((cells.shape[dim], ), stride)
        sides[-1] = pixels - stride * (len(sides) - 1)
        if dim == -2:
            sides = sides.unsqueeze(-1)
        index = torch.arange(pixels, device=cells.device) // stride
        cells = (cells / sides).index_select(dim, index)
    return cells

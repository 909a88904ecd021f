"""Operands of the products between coefficients and atoms, as kernels read."""
from functools import lru_cache
from typing import Any, Sequence, Tuple

import torch
import torch.nn.functional as F
import triton.language as tl
from torch import Tensor

from ..bases import Description, outside
from . import atom_kernels
from .launch import Size, power_of_two

INTERPRETED = not hasattr(atom_kernels.compose, 'cache_key')


def product_of(dtype: torch.dtype) -> Tuple[Any, str]:
    """What the operands of products are, and how those of float32 are taken.

    NVIDIA's tensor cores make a float32 product of three of theirs, exact to
    rounding. The interpreter cannot multiply bfloat16.
    """
    if dtype == torch.float32:
        return tl.float32, 'ieee' if torch.version.hip else 'tf32x3'
    if dtype == torch.float16:
        return tl.float16, 'ieee'
    return tl.float32 if INTERPRETED else tl.bfloat16, 'ieee'


def pad_size(count: int) -> int:
    """What a product takes at least."""
    return max(16, power_of_two(count))


@lru_cache(maxsize=64)
def spread(bases: Description, dtype: torch.dtype,
           device: torch.device) -> Tensor:
    """psi as the kernels read it: live taps, padded with zeros, in parts.

    Complete when it is returned, for whatever stream.
    """
    count, taps = bases.values.shape[0], len(bases.live)
    padding = (0, pad_size(taps) - taps, 0, pad_size(count) - count)

    def make() -> Tensor:
        psi = F.pad(torch.tensor(bases.values[:, bases.live]), padding)
        parts = [psi.to(dtype)]
        if dtype != torch.float32:
            parts.append((psi - parts[0].double()).to(dtype))
        return torch.stack(parts).to(device)

    return outside(make)


def pixel_strides(strides: Sequence[int], size: Size, atoms: int,
                  channels: int) -> Tuple[Sequence[int], bool]:
    """Strides of maps (images, atoms, channels, rows, columns) of a chunk.

    The pixels of an image must lie at equal distances. Where they do not,
    a contiguous copy is to be made: the strides are that one's then.
    """
    _, rows, columns = size
    if rows == 1 or strides[3] == columns * strides[4]:
        return strides, False
    pixels = rows * columns
    return (atoms * channels * pixels, channels * pixels, pixels, columns,
            1), True

"""From coefficients to atoms and back. Needs Triton to be imported.

Atoms of a chunk are one tensor (taps, pixels, 8 n): live taps only, and m
atoms padded to eights, with zeros.
"""
from typing import NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
import triton.language as tl
from torch import Tensor

from ...generator import Generator
from ..bases import Description
from . import atom_kernels
from .launch import ceil, power_of_two

EIGHT = 8  # atoms of a block


class Tuning(NamedTuple):
    """Of a kernel: pixels (or channels) of a step, warps, stages."""
    block: int
    warps: int
    stages: int = 2


COMPOSE = Tuning(16, 4, 1)
DECOMPOSE = Tuning(16, 4, 1)
GENERATE, GENERATE_SINGLE = Tuning(16, 4, 1), Tuning(16, 8, 1)
STEP, STEP_SINGLE = 64, 16  # hidden channels


def is_interpreted() -> bool:
    return not hasattr(atom_kernels.compose, 'cache_key')


def product_of(dtype: torch.dtype):
    """What the operands of products are, and how those of float32 are taken.

    NVIDIA's tensor cores make a float32 product of three of theirs, exact to
    rounding. The interpreter cannot multiply bfloat16.
    """
    if dtype == torch.float32:
        return tl.float32, 'ieee' if torch.version.hip else 'tf32x3'
    if dtype == torch.float16:
        return tl.float16, 'ieee'
    return tl.float32 if is_interpreted() else tl.bfloat16, 'ieee'


def pad_size(count: int) -> int:
    """What a product takes at least."""
    return max(16, power_of_two(count))


def spread(psi: Tensor, dtype: torch.dtype) -> Tensor:
    """psi (J, taps) in float32 as the kernels read it: padded, in parts."""
    count, taps = psi.shape
    psi = F.pad(psi, (0, pad_size(taps) - taps, 0, pad_size(count) - count))
    if dtype == torch.float32:
        return psi[None].contiguous()
    rounded = psi.to(dtype)
    return torch.stack((rounded, (psi - rounded.float()).to(dtype)))


class Atoms:
    """What composing the atoms of a call, and its gradient, have in common.

    Args:
        bases (Description): Of the call's bases; direct atoms have some too.
        num_atoms (int): m.
        like (Tensor): Of the dtype and on the device of the call.
        dtype (torch.dtype, optional): Of the atoms. Default: the call's.
    """

    def __init__(self, bases: Description, num_atoms: int, like: Tensor,
                 dtype: Optional[torch.dtype] = None):
        self.num_atoms, self.blocks = num_atoms, ceil(num_atoms, EIGHT)
        self.dtype, self.product = dtype or like.dtype, like.dtype
        live = bases.live
        self.num_taps, self.count = len(live), len(bases.values)
        self.psi = spread(bases.at(live, like, torch.float32), like.dtype)

    @property
    def per_pixel(self) -> int:
        """Values that the atoms of a pixel take."""
        return self.num_taps * self.blocks * EIGHT

    def new(self, pixels: int) -> Tensor:
        return torch.empty((self.num_taps, pixels, self.blocks * EIGHT),
                           dtype=self.dtype, device=self.psi.device)

    def as_maps(self, atoms: Tensor, size: Tuple[int, int, int]) -> Tensor:
        """A view (images, m, taps, rows, columns)."""
        maps = atoms.view(self.num_taps, *size, self.blocks * EIGHT)
        return maps.permute(1, 4, 0, 2, 3)[:, :self.num_atoms]

    def _launch(self, kernel, tuning: Tuning, images: int, pixels: int,
                *arguments, **options) -> None:
        block = min(tuning.block, max(2, power_of_two(pixels)))
        product, precision = product_of(self.product)
        kernel[(ceil(pixels, block), images, self.blocks)](
            *arguments, images * pixels * self.blocks, self.blocks,
            PIXELS=block, COEFFICIENTS=self.psi.shape[1],
            TAPS=self.psi.shape[2], PARTS=len(self.psi), PRODUCT=product,
            PRECISION=precision, num_warps=tuning.warps,
            num_stages=tuning.stages, **options)

    def _mix(self, kernel, tuning: Tuning, alpha: Tensor, first: Tensor,
             last: Tensor) -> None:
        images, _, _, rows, columns = alpha.shape
        image, atom, coefficient, _, pixel = alpha.stride()
        self._launch(kernel, tuning, images, rows * columns, first, self.psi,
                     last, rows * columns, self.num_taps, self.num_atoms,
                     self.count, image, atom, coefficient, pixel)

    def compose(self, alpha: Tensor) -> Tensor:
        """Atoms of coefficients (images, m, J, rows, columns)."""
        alpha = with_one_pixel_stride(alpha)
        images, _, _, rows, columns = alpha.shape
        atoms = self.new(images * rows * columns)
        self._mix(atom_kernels.compose, COMPOSE, alpha, alpha, atoms)
        return atoms

    def decompose(self, grads: Tensor, grad_alpha: Tensor) -> None:
        """Write the gradient of the coefficients, given that of atoms."""
        target = with_one_pixel_stride(grad_alpha)
        self._mix(atom_kernels.decompose, DECOMPOSE, target, grads, target)
        if target is not grad_alpha:
            grad_alpha.copy_(target)

    def _of_dtype(self, half, single):
        return single if self.product == torch.float32 else half

    def _of_hidden(self, matrix: Tensor) -> dict:
        hidden = matrix.shape[2] - EIGHT
        return dict(HIDDEN=hidden,
                    STEP=min(hidden, self._of_dtype(STEP, STEP_SINGLE)))

    def spread_matrix(self, generator: Generator) -> Tensor:
        """A generator's matrix as the kernels read it: padded, dense."""
        matrix = generator.matrix
        hidden = matrix.shape[1] - 1
        spread = matrix.new_zeros((self.blocks * EIGHT, self.psi.shape[1],
                                   pad_size(hidden) + EIGHT))
        values = matrix.view(self.num_atoms, self.count, hidden + 1)
        spread[:self.num_atoms, :self.count, :hidden] = values[..., :-1]
        spread[:self.num_atoms, :self.count, -EIGHT] = values[..., -1]
        return spread

    def compose_generated(self, hidden: Tensor, matrix: Tensor,
                          generator: Generator) -> Tensor:
        """Atoms of coefficients that are made of hidden maps.

        Args:
            hidden (Tensor): h, (images, H, rows, columns).
            matrix (Tensor): Of :meth:`spread_matrix`.
            generator (Generator): Its norm and activation.
        """
        hidden = with_one_pixel_stride(hidden)
        images, channels, rows, columns = hidden.shape
        atoms = self.new(images * rows * columns)
        norm = generator.hidden_norm
        self._launch(
            atom_kernels.compose_generated, self._of_dtype(GENERATE, GENERATE_SINGLE), images, rows * columns,
            hidden, matrix, matrix if norm is None else norm.contiguous(),
            self.psi, atoms, rows * columns, self.num_taps, channels,
            hidden.stride(0), hidden.stride(1), hidden.stride(3),
            **self._of_hidden(matrix), TANH=generator.tanh,
            NORM=norm is not None)
        return atoms

    def decompose_generated(self, grads: Tensor, hidden: Tensor,
                            matrix: Tensor, generator: Generator) -> Tensor:
        """Gradient before the generator's activation, (pixels, m * J)."""
        hidden = with_one_pixel_stride(hidden)
        images, channels, rows, columns = hidden.shape
        output = hidden.new_empty(
            (images * rows * columns, self.num_atoms * self.count))
        self._launch(
            atom_kernels.decompose_generated, self._of_dtype(GENERATE, GENERATE_SINGLE), images,
            rows * columns, grads, self.psi, hidden, matrix, output,
            rows * columns, self.num_taps, self.num_atoms, self.count,
            channels, hidden.stride(0), hidden.stride(1), hidden.stride(3),
            **self._of_hidden(matrix), TANH=generator.tanh)
        return output


def with_one_pixel_stride(maps: Tensor) -> Tensor:
    """Maps (..., rows, columns) whose pixels lie at equal distances."""
    rows, columns = maps.shape[-2:]
    if rows == 1 or maps.stride(-2) == columns * maps.stride(-1):
        return maps
    return maps.contiguous()

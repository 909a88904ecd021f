"""Launches of the kernels for tensor cores. Needs Triton to be imported.

A :class:`Band` is what the launches of a call have in common; its methods
take the tensors of a chunk. Which calls it serves, ``why_not`` says.
"""
import os
from typing import NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
import triton.language as tl
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import Description
from . import atom_kernels, band_kernels
from .launch import Size, ceil, power_of_two

SWITCH = 'MMACDA_TRITON_TENSOR_CORES'
OFF = ('0', 'no', 'off', 'false')
DTYPES = (torch.float16, torch.bfloat16)
KERNELS = (3, 5, 7)  # of others the patch does not fit
SIDE = 4  # of a tile of target pixels
EIGHT = 8  # atoms of a block
# Rows of channels are read 16 bytes at a time.
CHANNELS_MULTIPLE = 16
# Of fewer, the spare atoms of a block cost more than tensor cores save.
LEAST_ATOMS = 4
# Programs that occupy a GPU: channels are split among more where pixels are
# few.
FEW_PROGRAMS = 512


class Tuning(NamedTuple):
    """Of a kernel: channels (or pixels) of a step, warps, stages."""
    block: int
    warps: int
    stages: int = 2


CONVOLVE = Tuning(64, 4)
CORRELATE = Tuning(64, 8)
COMPOSE = Tuning(16, 4, 1)
DECOMPOSE = Tuning(16, 4, 1)
GENERATE = Tuning(16, 4, 1)


def is_switched_off() -> bool:
    return os.environ.get(SWITCH, '').strip().lower() in OFF


def why_not(x: Tensor, weight: Tensor, num_atoms: int, kernel: int,
            geometry: ConvGeometry) -> Optional[str]:
    """Reason why the FMA kernels serve a call of the backend, or None."""
    if x.dtype not in DTYPES:
        return f'the input is {x.dtype}'
    if kernel not in KERNELS:
        return f'the atoms are {kernel} x {kernel}'
    if set(geometry.stride + geometry.dilation) != {1}:
        return 'the stride or dilation is not 1'
    if geometry.groups != 1:
        return 'there are groups'
    if num_atoms < LEAST_ATOMS:
        return f'there are only {num_atoms} atoms'
    if x.shape[1] % CHANNELS_MULTIPLE or weight.shape[0] % CHANNELS_MULTIPLE:
        return f'channels are no multiple of {CHANNELS_MULTIPLE}'
    return f'{SWITCH} switches it off' if is_switched_off() else None


def is_interpreted() -> bool:
    return not hasattr(atom_kernels.compose, 'cache_key')


def product_of(dtype: torch.dtype):
    """What the operands of products are, and how those of float32 are taken.

    Tensor cores make float32 products of three of theirs, exact to rounding,
    on NVIDIA's. The interpreter cannot multiply bfloat16.
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
    if torch.equal(rounded.float(), psi):  # direct atoms
        return rounded[None].contiguous()
    return torch.stack((rounded, (psi - rounded.float()).to(dtype)))


class Band:
    """What the launches of a call have in common.

    Args:
        bases (Description): Of the call's bases; direct atoms have some too.
        num_atoms (int): m.
        padding (tuple): Of the convolution.
        like (Tensor): Of the dtype and on the device of the call.
    """

    def __init__(self, bases: Description, num_atoms: int,
                 padding: Tuple[int, int], like: Tensor):
        self.num_atoms, self.padding = num_atoms, padding
        self.kernel = bases.kernel
        self.dtype = like.dtype
        self.product, self.precision = product_of(like.dtype)
        live = bases.live
        self.num_taps, self.count = len(live), len(bases.values)
        places = torch.full((bases.kernel**2, ), -1, dtype=torch.int32)
        places[torch.tensor(live)] = torch.arange(
            len(live), dtype=torch.int32)
        self.places = places.to(like.device)
        self.psi = spread(bases.at(live, like, torch.float32), like.dtype)
        self.blocks = ceil(num_atoms, EIGHT)

    @property
    def atoms_per_pixel(self) -> int:
        """Values that the atoms of a pixel take."""
        return self.num_taps * self.blocks * EIGHT

    def new_atoms(self, pixels: int) -> Tensor:
        return torch.empty((self.num_taps, pixels, self.blocks * EIGHT),
                           dtype=self.dtype, device=self.psi.device)

    def _linear_options(self, tuning: Tuning, pixels: int) -> dict:
        return dict(
            PIXELS=min(tuning.block, max(2, power_of_two(pixels))),
            COEFFICIENTS=self.psi.shape[1], TAPS=self.psi.shape[2],
            PARTS=len(self.psi), PRODUCT=self.product,
            PRECISION=self.precision, num_warps=tuning.warps,
            num_stages=tuning.stages)

    def _mix(self, kernel, tuning: Tuning, alpha: Tensor, first: Tensor,
             last: Tensor) -> None:
        images, _, _, rows, columns = alpha.shape
        pixels = rows * columns
        image, atom, coefficient, row, column = alpha.stride()
        assert rows == 1 or row == columns * column
        options = self._linear_options(tuning, pixels)
        kernel[(ceil(pixels, options['PIXELS']), images, self.blocks)](
            first, self.psi, last, pixels, self.num_taps, self.num_atoms,
            self.count, image, atom, coefficient, column,
            images * pixels * self.blocks, self.blocks, **options)

    def compose(self, alpha: Tensor) -> Tensor:
        """Atoms (taps, pixels, 8 n) of coefficients (images, m, J, h, w)."""
        alpha = with_one_pixel_stride(alpha)
        images, _, _, rows, columns = alpha.shape
        atoms = self.new_atoms(images * rows * columns)
        self._mix(atom_kernels.compose, COMPOSE, alpha, alpha, atoms)
        return atoms

    def decompose(self, grads: Tensor, grad_alpha: Tensor) -> None:
        """Write the gradient of the coefficients, given that of atoms."""
        target = with_one_pixel_stride(grad_alpha)
        self._mix(atom_kernels.decompose, DECOMPOSE, target, grads, target)
        if target is not grad_alpha:
            grad_alpha.copy_(target)

    def _tiles(self, size: Size, padding: Tuple[int, int], tuning: Tuning,
               channels: int) -> Tuple[int, dict]:
        patch = SIDE + self.kernel - 1
        options = dict(
            K=self.kernel, SIDE=SIDE, PATCH=patch,
            SEEN=power_of_two(patch * patch),
            CHANNELS=min(tuning.block, pad_size(channels)),
            PRODUCT=self.product, num_warps=tuning.warps,
            num_stages=tuning.stages)
        images, rows, columns = size
        return images * ceil(rows, SIDE) * ceil(columns, SIDE), options

    def convolve(self, source: Tensor, atoms: Tensor, features: Tensor,
                 size: Size, first_row: int = 0, first_atoms_row: int = 0,
                 atoms_rows: Optional[int] = None,
                 follow: bool = False) -> None:
        """Z of a chunk.

        Args:
            source (Tensor): Maps (images, height, width, channels), dense.
            atoms (Tensor): As composed, of the chunk's rows; with ``follow``
                of rows of the source, ``atoms_rows`` from
                ``first_atoms_row`` on.
            features (Tensor): Written: (pixels, m * channels), atom by atom.
            size (tuple): Target's images, rows from ``first_row`` on,
                columns.
            follow (bool): Take the filters of the source pixel: the
                transposed convolution.
        """
        height, width, channels = source.shape[1:]
        if not follow:
            first_atoms_row, atoms_rows = first_row, size[1]
        padding = self.padding
        if follow:
            padding = tuple(self.kernel - 1 - p for p in padding)
        programs, options = self._tiles(size, padding, CONVOLVE, channels)
        steps = ceil(channels, options['CHANNELS'])
        parts = min(steps, ceil(FEW_PROGRAMS, programs * self.blocks))
        span = ceil(steps, parts) * options['CHANNELS']
        band_kernels.convolve_band[
            (programs, ceil(channels, span), self.blocks)](
                source, atoms, self.places, features, size[1], size[2],
                first_row, first_atoms_row, atoms_rows,
                width if follow else size[2], height, width, *padding,
                channels, span, self.num_atoms,
                atoms.shape[1] * self.blocks, self.blocks, FOLLOW=follow,
                **options)

    def correlate(self, source: Tensor, grad_features: Tensor, size: Size,
                  first_row: int = 0) -> Tensor:
        """Gradient of the atoms of a chunk, as they are composed."""
        height, width, channels = source.shape[1:]
        pixels = size[0] * size[1] * size[2]
        grads = self.new_atoms(pixels)
        programs, options = self._tiles(size, self.padding, CORRELATE,
                                        channels)
        band_kernels.correlate_band[(programs, self.blocks)](
            source, grad_features, self.places, grads, size[1], size[2],
            first_row, height, width, *self.padding, channels,
            self.num_atoms, pixels * self.blocks, self.blocks, **options)
        return grads


def with_one_pixel_stride(alpha: Tensor) -> Tensor:
    """(images, m, J, rows, columns) whose pixels lie at equal distances."""
    rows, columns = alpha.shape[3:]
    if rows == 1 or alpha.stride(3) == columns * alpha.stride(4):
        return alpha
    return alpha.contiguous()

"""Launches of the kernels for tensor cores. Needs Triton to be imported.

A :class:`Band` is what the launches of a call have in common; its methods
take the tensors of a chunk. Which calls it serves, ``why_not`` says.
"""
import os
from typing import Optional, Tuple

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import Description
from . import band_kernels
from .atoms import Atoms, Tuning, pad_size, product_of
from .launch import Size, ceil, power_of_two

SWITCH = 'MMACDA_TRITON_TENSOR_CORES'
OFF = ('0', 'no', 'off', 'false')
DTYPES = (torch.float16, torch.bfloat16)
KERNELS = (3, 5, 7)  # of others the patch does not fit
SIDE = 4  # of a tile of target pixels
# Rows of channels are read 16 bytes at a time.
CHANNELS_MULTIPLE = 16
# Of fewer, the spare atoms of a block cost more than tensor cores save.
LEAST_ATOMS = 4
# Programs that occupy a GPU: channels are split among more where pixels are
# few.
FEW_PROGRAMS = 512


CONVOLVE = Tuning(64, 4)
CORRELATE = Tuning(64, 8)


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


class Band:
    """What the launches of a call have in common.

    Args:
        bases (Description): Of the call's bases; direct atoms have some too.
        atoms (Atoms): Of the call.
        padding (tuple): Of the convolution.
    """

    def __init__(self, bases: Description, atoms: Atoms,
                 padding: Tuple[int, int]):
        self.atoms, self.padding, self.kernel = atoms, padding, bases.kernel
        places = torch.full((bases.kernel**2, ), -1, dtype=torch.int32)
        places[torch.tensor(bases.live)] = torch.arange(
            len(bases.live), dtype=torch.int32)
        self.places = places.to(atoms.psi.device)

    def _tiles(self, size: Size, tuning: Tuning, channels: int) -> Tuple[int, dict]:
        patch = SIDE + self.kernel - 1
        options = dict(
            K=self.kernel, SIDE=SIDE, PATCH=patch,
            SEEN=power_of_two(patch * patch),
            CHANNELS=min(tuning.block, pad_size(channels)),
            PRODUCT=product_of(self.atoms.product)[0], num_warps=tuning.warps,
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
        programs, options = self._tiles(size, CONVOLVE, channels)
        steps = ceil(channels, options['CHANNELS'])
        parts = min(steps, ceil(FEW_PROGRAMS, programs * self.atoms.blocks))
        span = ceil(steps, parts) * options['CHANNELS']
        band_kernels.convolve_band[
            (programs, ceil(channels, span), self.atoms.blocks)](
                source, atoms, self.places, features, size[1], size[2],
                first_row, first_atoms_row, atoms_rows,
                width if follow else size[2], height, width, *padding,
                channels, span, self.atoms.num_atoms,
                atoms.shape[1] * self.atoms.blocks, self.atoms.blocks, FOLLOW=follow,
                **options)

    def correlate(self, source: Tensor, grad_features: Tensor, size: Size,
                  first_row: int = 0) -> Tensor:
        """Gradient of the atoms of a chunk, as they are composed."""
        height, width, channels = source.shape[1:]
        pixels = size[0] * size[1] * size[2]
        grads = self.atoms.new(pixels)
        programs, options = self._tiles(size, CORRELATE, channels)
        band_kernels.correlate_band[(programs, self.atoms.blocks)](
            source, grad_features, self.places, grads, size[1], size[2],
            first_row, height, width, *self.padding, channels,
            self.atoms.num_atoms, pixels * self.atoms.blocks, self.atoms.blocks, **options)
        return grads

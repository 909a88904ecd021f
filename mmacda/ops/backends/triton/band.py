"""The steps of a plan by band products, for tensor cores.

They serve float16 and bfloat16 at stride and dilation 1, where their products
are quicker than sums: ``BandSteps.why_not`` tells. The
environment variable ``MMACDA_TRITON_TENSOR_CORES=0`` (or no, off, false)
switches them off, for comparison; it is read when a plan is made.
"""
import os
from typing import Any, Optional, Sequence, Tuple

import numpy as np
import torch

from ..bases import Description
from . import band_kernels
from .atoms import EIGHT, AtomSteps, Tuning
from .launch import Launch, Size, ceil, power_of_two
from .operands import pad_size, product_of

SWITCH = 'MMACDA_TRITON_TENSOR_CORES'
OFF = ('0', 'no', 'off', 'false')
DTYPES = (torch.float16, torch.bfloat16)
KERNELS = (3, 5, 7)  # of others the patch does not fit
ROWS, COLUMNS = 2, 8  # of a tile of target pixels
# Rows of channels are read 16 bytes at a time.
CHANNELS_MULTIPLE = 16
# Of fewer, the spare atoms of a block cost more than tensor cores save.
LEAST_ATOMS = 4
# Programs that occupy a GPU: channels are split among more where pixels are
# few.
FEW_PROGRAMS = 512
# Atoms that 32 bits do not count.
FIRST_WIDE = 2**31
# What the kernels take off again.
BIAS = band_kernels.BIAS.value
WIDTH = band_kernels.WIDTH.value
CONVOLVE, CORRELATE = Tuning(64, 8, 1), Tuning(64, 8, 2)
# By the GPU's generation, where the other would not fit into registers.
CONVOLVE_OF = {12: Tuning(64, 4, 1)}


def generation_of(device: torch.device) -> int:
    """Of NVIDIA's GPUs, 9 for compute capability 9.0; 0 of others."""
    if device.type != 'cuda' or torch.version.hip:
        return 0
    return torch.cuda.get_device_capability(device)[0]


def is_switched_off() -> bool:
    return os.environ.get(SWITCH, '').strip().lower() in OFF


def pack_rows(bases: Description) -> Optional[Tuple[int, int, int]]:
    """Which taps are live, row by row, as the kernels read it.

    Returns:
        tuple, optional: Of each of eight rows the first live tap, and how
        many follow it, in four bits each; in eight bits how far its places
        among all live ones are ahead of its taps, plus ``BIAS``. None if a
        row has a dead tap between live ones.
    """
    firsts = spans = shifts = 0
    live = np.zeros((8, bases.kernel), bool)
    live.flat[bases.live] = True
    for row, taps in enumerate(live):
        found = np.flatnonzero(taps)
        # Of a dead row that which no tap is.
        first, last = (found[0], found[-1]) if len(found) else (15, 15)
        if len(found) and len(found) != last - first + 1:
            return None
        firsts |= int(first) << 4 * row
        spans |= int(last - first) << 4 * row
        if len(found):
            before = live[:row].sum()
            shifts |= int(before - first + BIAS) << 8 * row
    # As numbers of 32 bits are, with a sign.
    return firsts - (firsts >> 31 << 32), spans - (spans >> 31 << 32), shifts


class BandSteps(AtomSteps):
    """Atoms have the dtype of the call."""

    def __init__(self, plan: Any):
        super().__init__(plan, plan.dtype)
        rows = pack_rows(plan.bases)
        assert rows is not None
        self.rows = dict(zip(('FIRSTS', 'SPANS', 'SHIFTS'), rows))
        self.product = product_of(plan.dtype)[0]

    @classmethod
    def serves(cls, plan: Any) -> bool:
        return cls.why_not(plan) is None

    @staticmethod
    def why_not(plan: Any) -> Optional[str]:
        """Reason why another family serves a plan, or None."""
        geometry = plan.geometry
        if plan.dtype not in DTYPES:
            return f'the input is {plan.dtype}'
        if plan.bases.kernel not in KERNELS:
            return f'the atoms are as wide as {plan.bases.kernel}'
        if set(geometry.stride + geometry.dilation) != {1}:
            return 'the stride or dilation is not 1'
        if plan.groups != 1:
            return 'there are groups'
        if plan.atoms < LEAST_ATOMS:
            return f'there are only {plan.atoms} atoms'
        if plan.channels % CHANNELS_MULTIPLE \
                or plan.out_channels % CHANNELS_MULTIPLE:
            return f'channels are no multiple of {CHANNELS_MULTIPLE}'
        if pack_rows(plan.bases) is None:
            return 'a row of taps has a dead one between live ones'
        return f'{SWITCH} switches it off' if is_switched_off() else None

    def _options(self, tuning: Tuning, channels: int, eights: int) -> dict:
        kernel = self.plan.bases.kernel
        return dict(
            self.rows, stages=tuning.stages, K=kernel, ROWS=ROWS,
            COLUMNS=COLUMNS,
            WIDE=EIGHT * self.num_taps * eights >= FIRST_WIDE,
            SEEN=power_of_two(ROWS + kernel - 1) * WIDTH,
            CHANNELS=min(tuning.block, pad_size(channels)),
            PRODUCT=self.product)

    def convolve(self, source_shape: Sequence[int],
                 source_strides: Sequence[int], size: Size, atoms_size: Size,
                 taps: Any, first_row: int, first_atoms_row: int,
                 step: Tuple[int, int], follow: bool) -> Launch:
        plan, channels = self.plan, source_shape[3]
        padding = plan.geometry.padding
        if follow:
            padding = tuple(plan.bases.kernel - 1 - p for p in padding)
        eights = atoms_size[0] * atoms_size[1] * atoms_size[2] * self.blocks
        tuning = CONVOLVE_OF.get(generation_of(plan.device), CONVOLVE)
        options = self._options(tuning, channels, eights)
        programs = size[0] * ceil(size[1], ROWS) * ceil(size[2], COLUMNS)
        steps = ceil(channels, options['CHANNELS'])
        parts = min(steps, ceil(FEW_PROGRAMS, programs * self.blocks))
        span = ceil(steps, parts) * options['CHANNELS']
        return Launch(
            band_kernels.convolve_band,
            (programs, ceil(channels, span), self.blocks),
            (size[1], size[2], first_row, first_atoms_row, *atoms_size[1:],
             *source_shape[1:3], *source_strides[:3], *padding, channels,
             span, plan.atoms, eights, self.blocks), tuning.warps,
            FOLLOW=follow, **options)

    def sum_atoms(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Launch:
        plan = self.plan
        programs = size[0] * ceil(size[1], ROWS) * ceil(size[2], COLUMNS)
        eights = size[0] * size[1] * size[2] * self.blocks
        return Launch(
            band_kernels.correlate_band, (programs, self.blocks),
            (size[1], size[2], first_row, *plan.x_shape[1:3],
             *plan.x_strides[:3], *plan.geometry.padding, plan.channels,
             plan.atoms, eights, self.blocks), CORRELATE.warps,
            **self._options(CORRELATE, plan.channels, eights))

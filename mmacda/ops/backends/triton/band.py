"""The steps of a plan by band products, for tensor cores.

They serve float16 and bfloat16 at stride and dilation 1, where their products
are predicted to be quicker than sums: ``BandSteps.why_not`` tells. The
environment variable ``MMACDA_TRITON_TENSOR_CORES=0`` (or no, off, false)
switches them off, for comparison; it is read when a plan is made.
"""
import os
from functools import lru_cache
from typing import Any, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ..bases import Description, make, outside
from . import band_kernels
from .atoms import AtomSteps, Tuning
from .launch import Launch, Size, ceil, power_of_two
from .operands import pad_size, product_of

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
CONVOLVE, CORRELATE = Tuning(64, 4), Tuning(64, 8)


def is_switched_off() -> bool:
    return os.environ.get(SWITCH, '').strip().lower() in OFF


@lru_cache(maxsize=64)
def places_of(bases: Description, device: torch.device) -> Tensor:
    """Of each tap its place among the live ones, or -1."""
    places = np.full(bases.kernel**2, -1)
    places[bases.live] = np.arange(len(bases.live))
    return outside(make, places, device, torch.int32)


class BandSteps(AtomSteps):
    """Atoms have the dtype of the call."""

    def __init__(self, plan: Any):
        super().__init__(plan, plan.dtype)
        self.places = plan.keep(places_of(plan.bases, plan.device))
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
        return f'{SWITCH} switches it off' if is_switched_off() else None

    def _options(self, tuning: Tuning, channels: int) -> dict:
        kernel = self.plan.bases.kernel
        patch = SIDE + kernel - 1
        return dict(
            stages=tuning.stages, K=kernel, SIDE=SIDE, PATCH=patch,
            SEEN=power_of_two(patch * patch),
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
        options = self._options(CONVOLVE, channels)
        programs = size[0] * ceil(size[1], SIDE) * ceil(size[2], SIDE)
        steps = ceil(channels, options['CHANNELS'])
        parts = min(steps, ceil(FEW_PROGRAMS, programs * self.blocks))
        span = ceil(steps, parts) * options['CHANNELS']
        eights = atoms_size[0] * atoms_size[1] * atoms_size[2] * self.blocks
        return Launch(
            band_kernels.convolve_band,
            (programs, ceil(channels, span), self.blocks),
            (size[1], size[2], first_row, first_atoms_row, *atoms_size[1:],
             *source_shape[1:3], *source_strides[:3], *padding, channels,
             span, plan.atoms, eights, self.blocks), CONVOLVE.warps,
            [self.places], FOLLOW=follow, **options)

    def sum_atoms(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Launch:
        plan = self.plan
        programs = size[0] * ceil(size[1], SIDE) * ceil(size[2], SIDE)
        eights = size[0] * size[1] * size[2] * self.blocks
        return Launch(
            band_kernels.correlate_band, (programs, self.blocks),
            (size[1], size[2], first_row, *plan.x_shape[1:3],
             *plan.x_strides[:3], *plan.geometry.padding, plan.channels,
             plan.atoms, eights, self.blocks), CORRELATE.warps,
            [self.places], **self._options(CORRELATE, plan.channels))

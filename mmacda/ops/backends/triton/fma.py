"""The steps of a plan by ``kernels.py``: for every dtype and geometry."""
from typing import Any, Callable, Sequence, Tuple

import torch
from torch import Tensor

from . import kernels
from .atoms import AtomSteps
from .launch import (
    SUMS,
    VECTOR_BYTES,
    Launch,
    Size,
    ceil,
    choose_tile,
    divide_atoms,
    power_of_two,
    shape_pixels,
)
from .taps import Taps, to_device

# Threads share nothing in `convolve`.
CONVOLVE_WARPS, CORRELATE_WARPS = 4, 4
# Threads of `correlate` that share a pixel: they read 64 bytes of it at once.
THREADS_PER_PIXEL = 4


class FmaSteps(AtomSteps):
    """Atoms are float32; direct ones are the coefficients as they are."""

    @staticmethod
    def serves(plan: Any) -> bool:
        return True

    def __init__(self, plan: Any):
        super().__init__(plan, torch.float32)
        self.passes_on = plan.direct and plan.generator is None

    @property
    def atom_bytes(self) -> int:
        return 0 if self.passes_on else super().atom_bytes

    def atom_strides(self, size: Size) -> Tuple[int, ...]:
        return self.plan.alpha_strides if self.passes_on \
            else super().atom_strides(size)

    def compose(self, size: Size, by_output: bool,
                by_atom: bool) -> Callable[..., Tensor]:
        if not self.passes_on:
            return super().compose(size, by_output, by_atom)
        order = self.plan.order(by_output, by_atom)

        def pass_on(stream, alpha, weight, by_output, by_atom):
            if order is not None:
                order(stream, weight, by_output, by_atom)
            return alpha

        return pass_on

    def convolve(self, source_shape: Sequence[int],
                 source_strides: Sequence[int], size: Size, atoms_size: Size,
                 taps: Taps, first_row: int, first_atoms_row: int,
                 step: Tuple[int, int], follow: bool) -> Launch:
        plan = self.plan
        channels = source_shape[3]
        tile = choose_tile(size, channels, plan.atoms, plan.element_size,
                           CONVOLVE_WARPS)
        return Launch(
            kernels.convolve,
            tile.grid(size, channels, plan.atoms),
            (len(taps), size[1], size[2], first_row, first_atoms_row,
             source_shape[1], source_shape[2], *step, *source_strides[:3],
             *self.atom_strides(atoms_size), channels,
             channels // plan.groups, *feature_strides(plan, channels)),
            CONVOLVE_WARPS, [plan.keep(to_device(taps, plan.device))],
            FOLLOW=follow, GROUPED=plan.groups > 1, **tile.shape)

    def sum_atoms(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Launch:
        plan = self.plan
        num_taps, atoms = len(plan.taps), divide_atoms(plan.atoms)
        vector = VECTOR_BYTES // plan.element_size
        if plan.channels % vector:
            vector = 1
        # The largest power of two whose sums fit.
        together = power_of_two(SUMS // (atoms * vector) + 1) // 2
        together = max(1, min(together, power_of_two(num_taps)))
        rows, columns = shape_pixels(
            32 * CORRELATE_WARPS // THREADS_PER_PIXEL, *size[1:])
        grid = (size[0] * ceil(size[1], rows) * ceil(size[2], columns),
                ceil(num_taps, together), plan.atoms // atoms)
        return Launch(
            kernels.correlate, grid,
            (num_taps, size[1], size[2], first_row, *plan.x_shape[1:3],
             *plan.geometry.stride, *plan.x_strides[:3], *grad_strides,
             plan.channels, plan.channels // plan.groups,
             *feature_strides(plan, plan.channels)), CORRELATE_WARPS,
            [plan.keep(to_device(plan.taps, plan.device))], ATOMS=atoms,
            GROUPED=plan.groups > 1, ROWS=rows, COLUMNS=columns,
            CHANNELS=vector * THREADS_PER_PIXEL, TAPS=together)

    def correlate(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Callable[..., None]:
        if self.passes_on:
            return self.sum_atoms(size, first_row, grad_strides)
        return super().correlate(size, first_row, grad_strides)


def feature_strides(plan: Any, channels: int) -> Tuple[int, int]:
    """From pixel to pixel, and from group to group, of Z."""
    return plan.atoms * channels, plan.atoms * channels // plan.groups

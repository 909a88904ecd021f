"""The steps of a plan by ``kernels.py``: for every dtype and geometry."""
from typing import Any, Callable, Sequence, Tuple

import torch
from torch import Tensor

from . import kernels, prepare
from .launch import Launch, Size, ceil, choose_tile
from .taps import Taps, to_device

# Threads share nothing in `convolve`. A single warp sums over channels, in
# `correlate`, and turns tiles, in `mix`, without waiting for another.
CONVOLVE_WARPS, CORRELATE_WARPS, MIX_WARPS = 4, 1, 1
# Pixels with an atom each, and outputs, of a program of `mix`.
MIX_DENSE_TILE, MIX_TILE = (128, 16), (64, 8)
# Of a weight, by a program that orders it.
WEIGHTS = 512
FLOAT_BYTES = 4


class FmaSteps:
    """Atoms are float32, (images, m, taps, rows, columns), atoms fastest."""

    multiplies = False

    @staticmethod
    def serves(plan: Any) -> bool:
        return True

    def __init__(self, plan: Any):
        self.plan = plan
        like = torch.empty(0, device=plan.device)
        if not plan.direct:
            self.psi = plan.bases.at(plan.bases.live, like, torch.float32)
            self.psi_turned = plan.bases.at(plan.bases.live, like,
                                            torch.float32, True)
            plan.keep(self.psi, self.psi_turned)

    @property
    def atom_bytes(self) -> int:
        """Of a pixel, beside the coefficients."""
        plan = self.plan
        return 0 if plan.direct else FLOAT_BYTES * plan.atoms * len(plan.taps)

    @property
    def grad_bytes(self) -> int:
        """Of a pixel, for the gradient of its atoms."""
        plan = self.plan
        tile = self._correlate_tile((1, 1, 1))
        parts = ceil(plan.channels, tile.channels)
        return FLOAT_BYTES * parts * plan.atoms * len(plan.taps)

    def _atom_strides(self, size: Size) -> Tuple[int, ...]:
        images, rows, columns = size
        atoms = self.plan.atoms
        if self.plan.direct:
            return self.plan.alpha_strides
        return (rows * columns * atoms, 1, images * rows * columns * atoms,
                columns * atoms, atoms)

    def compose(self, size: Size, by_output: bool,
                by_atom: bool) -> Callable[..., Tensor]:
        """``step(stream, alpha, weight, by_output, by_atom)``: the atoms.

        Writes the weight in one or two orders as well, if asked to.
        """
        plan = self.plan
        images, rows, columns = size
        order = plan.order(by_output, by_atom)
        if plan.direct:

            def pass_on(stream, alpha, weight, by_output, by_atom):
                if order is not None:
                    order(stream, weight, by_output, by_atom)
                return alpha

            return pass_on
        taps = len(plan.taps)
        shape = taps, images, rows, columns, plan.atoms
        grid, numbers, constants = self._mix(
            (0, *plan.alpha_strides), self._atom_strides(size), 1,
            plan.count, taps, size, True)
        psi = self.psi
        if order is None:
            launch = Launch(kernels.mix, grid, numbers, MIX_WARPS,
                            **constants)

            def mix(stream, alpha, weight, by_output, by_atom):
                atoms = torch.empty(
                    shape, dtype=torch.float32, device=psi.device)
                launch(stream, alpha, psi, atoms)
                return atoms

            return mix
        grid = max(grid[0], order.grid[0]), grid[1] + 1
        count, _, channels, outputs = order.numbers
        both = Launch(prepare.mix_and_order, grid,
                      (*numbers, count, channels, outputs), MIX_WARPS,
                      **constants, **order.constants)

        def mix_and_order(stream, alpha, weight, by_output, by_atom):
            atoms = torch.empty(
                shape, dtype=torch.float32, device=psi.device)
            both(stream, alpha, psi, atoms, weight, by_output, by_atom)
            return atoms

        return mix_and_order

    def _mix(self, input_strides: Sequence[int],
             output_strides: Sequence[int], parts: int, num_inputs: int,
             num_outputs: int, size: Size, dense: bool) -> tuple:
        """Grid, numbers and constants of ``kernels.mix``.

        Args:
            input_strides (tuple): Of (parts, images, m, inputs, rows,
                columns).
            output_strides (tuple): Of (images, m, outputs, rows, columns).
            parts (int): To be summed.
            num_inputs (int): Rows of the matrix.
            num_outputs (int): Columns of it.
            size (tuple): Images, rows, columns.
            dense (bool): Whether outputs lie in the order of the product.
        """
        atoms = self.plan.atoms
        num_rows = size[0] * size[1] * size[2] * atoms
        tile_rows, tile_outputs = MIX_DENSE_TILE if dense else MIX_TILE
        numbers = (parts, num_inputs, num_outputs, atoms, num_rows, *size[1:],
                   *input_strides, *output_strides)
        return ((ceil(num_rows, tile_rows), ceil(num_outputs, tile_outputs)),
                numbers,
                dict(DENSE=dense, ROWS=tile_rows, OUTPUTS=tile_outputs))

    def convolve(self, source_shape: Sequence[int],
                 source_strides: Sequence[int], size: Size, atoms_size: Size,
                 taps: Taps, first_row: int, first_atoms_row: int,
                 step: Tuple[int, int], follow: bool) -> Launch:
        """``step(stream, source, atoms, features)`` writes Z.

        Args:
            source_shape (tuple): Of maps (images, height, width, channels).
            source_strides (tuple): The last is 1.
            size (tuple): Target's images, rows (from ``first_row`` on),
                columns.
            atoms_size (tuple): Images, rows (from ``first_atoms_row`` on) and
                columns of the atoms.
            taps (Taps): To be visited.
            first_row (int): Of the target.
            first_atoms_row (int): Of the atoms.
            step (tuple): Source's rows and columns from one target to the
                next.
            follow (bool): Take the filters of the source pixel.
        """
        plan = self.plan
        channels = source_shape[3]
        tile = choose_tile(size, channels, plan.atoms, plan.element_size,
                           CONVOLVE_WARPS)
        return Launch(
            kernels.convolve,
            tile.grid(size, channels, plan.atoms),
            (len(taps), size[1], size[2], first_row, first_atoms_row,
             source_shape[1], source_shape[2], *step, *source_strides[:3],
             *self._atom_strides(atoms_size), channels,
             channels // plan.groups, *feature_strides(plan, channels)),
            CONVOLVE_WARPS, [plan.keep(to_device(taps, plan.device))],
            FOLLOW=follow, GROUPED=plan.groups > 1, **tile.shape)

    def _correlate_tile(self, size: Size):
        plan = self.plan
        return choose_tile(size, plan.channels, plan.atoms,
                           plan.element_size, CORRELATE_WARPS)

    def correlate(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Callable[..., None]:
        """``step(stream, source, grad_features, grad_alpha)`` writes the last.

        ``grad_strides`` are those of ``grad_alpha`` (images, m, J, rows,
        columns).
        """
        plan = self.plan
        num_taps, pixels = len(plan.taps), size[0] * size[1] * size[2]
        tile = self._correlate_tile(size)
        grid = tile.grid(size, plan.channels, plan.atoms)
        strides = (plan.atoms * num_taps * pixels, num_taps * pixels, pixels)
        shape = (grid[1], plan.atoms, num_taps, *size)
        launch = Launch(
            kernels.correlate, grid,
            (num_taps, size[1], size[2], first_row, *plan.x_shape[1:3],
             *plan.geometry.stride, *plan.x_strides[:3], *strides,
             plan.channels, plan.channels // plan.groups,
             *feature_strides(plan, plan.channels)), CORRELATE_WARPS,
            [plan.keep(to_device(plan.taps, plan.device))],
            GROUPED=plan.groups > 1, **tile.shape)
        if plan.direct:

            def correlate(stream, source, grad_features, grad_alpha):
                parts = torch.empty(
                    shape, dtype=torch.float32, device=source.device)
                launch(stream, source, grad_features, parts)
                grad_alpha.copy_(parts.sum(0).permute(2, 0, 1, 3, 4))

            return correlate
        dense = torch.empty_strided(
            (size[0], plan.atoms, plan.count, *size[1:]), grad_strides,
            device='meta').permute(2, 0, 3, 4, 1).is_contiguous()
        inputs = (strides[0], size[1] * size[2], *strides[1:], size[2], 1)
        grid, numbers, constants = self._mix(inputs, grad_strides, shape[0],
                                             num_taps, plan.count, size,
                                             dense)
        mix = Launch(kernels.mix, grid, numbers, MIX_WARPS, **constants)
        psi = self.psi_turned

        def correlate_and_mix(stream, source, grad_features, grad_alpha):
            parts = torch.empty(
                shape, dtype=torch.float32, device=source.device)
            launch(stream, source, grad_features, parts)
            mix(stream, parts, psi, grad_alpha)

        return correlate_and_mix


def feature_strides(plan: Any, channels: int) -> Tuple[int, int]:
    """From pixel to pixel, and from group to group, of Z."""
    return plan.atoms * channels, plan.atoms * channels // plan.groups

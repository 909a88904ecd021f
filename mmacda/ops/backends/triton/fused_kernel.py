"""The Triton kernel that runs both convolutions, and its launches.

Z stays on the chip: a program sums the taps of a block of channels, as
``kernels.convolve`` does, and multiplies the result with the weight at
once. See there for tiles, taps and precision.
"""
from typing import Callable, Dict, NamedTuple, Sequence, Tuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .fma import FmaSteps
from .launch import (Launch, Size, ceil, divide_atoms, power_of_two,
                     shape_pixels)
from .parts import jit, locate, sum_taps
from .taps import Taps, to_device

WARPS = 8
# Sums in float32, of outputs and of Z, that the registers of the threads of a
# program hold besides addresses and filters.
SUMS = 32 * WARPS * 88
# A tensor core's product takes at least so many rows, columns and terms.
# Channels, its terms, are taken so many at a time.
LEAST = 16
MOST_OUTPUTS = 256
# With fewer pixels the compiler takes smaller products and spills.
LEAST_PIXELS, MOST_PIXELS = 64, 128
# Fewer programs than this leave a GPU idle.
FEW_PROGRAMS = 256


@triton.jit
def _multiply(total, z, weights, mask):
    weight = tl.load(weights, mask=mask, other=0.)
    return tl.dot(z.to(weight.dtype), weight, total, input_precision='ieee')


@jit
def convolve_fused(source, atoms, weight, output, taps,  # pointers
                   num_taps, rows, columns, first_row, first_atoms_row,
                   source_rows, source_columns, step_row, step_column,
                   source_image, source_row, source_column,  # strides
                   atoms_image, atoms_atom, atoms_tap, atoms_row,
                   atoms_column, output_image, output_row, output_column,
                   num_atoms, group_channels, group_outputs,
                   ATOMS: tl.constexpr, FOLLOW: tl.constexpr,
                   ROWS: tl.constexpr, COLUMNS: tl.constexpr,
                   CHANNELS: tl.constexpr, OUTPUTS: tl.constexpr):
    """Atom convolution and coefficient convolution of a group's channels."""
    image, row, column = locate(rows, columns, ROWS, COLUMNS)
    out = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    group = tl.program_id(2).to(tl.int64)
    inside = (row < rows) & (column < columns)
    y = (first_row + row) * step_row
    x = column * step_column
    start = (image * source_image + y.to(tl.int64) * source_row +
             x.to(tl.int64) * source_column + group * group_channels)
    all_filters = atoms + (
        image * atoms_image +
        (first_row + row - first_atoms_row).to(tl.int64) * atoms_row +
        column.to(tl.int64) * atoms_column)
    # 64-bit even where the stride is a constant.
    next_atom = group * 0 + atoms_atom
    all_weights = weight + group * num_atoms * group_channels * group_outputs
    wanted = (out < group_outputs)[None, :]
    total = tl.zeros((ROWS * COLUMNS, OUTPUTS), dtype=tl.float32)
    for first in range(0, group_channels, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        sources = source + (start[:, None] + channel[None, :])
        there = channel < group_channels
        mask = there[:, None] & wanted
        for first_atom in range(0, num_atoms, ATOMS):
            filters = all_filters + first_atom * next_atom
            z0, z1, z2, z3, z4, z5, z6, z7 = sum_taps(
                sources, filters, taps, num_taps, y, x, inside,
                there[None, :], source_rows, source_columns, source_row,
                source_column, next_atom, atoms_tap, atoms_row, atoms_column,
                ATOMS, FOLLOW)
            weights = all_weights + (
                (first_atom * group_channels + channel)[:, None] *
                group_outputs + out[None, :])
            further = group_channels * group_outputs
            total = _multiply(total, z0, weights, mask)
            if ATOMS > 1:
                weights += further
                total = _multiply(total, z1, weights, mask)
            if ATOMS > 2:
                weights += further
                total = _multiply(total, z2, weights, mask)
            if ATOMS > 3:
                weights += further
                total = _multiply(total, z3, weights, mask)
            if ATOMS > 4:
                weights += further
                total = _multiply(total, z4, weights, mask)
            if ATOMS > 5:
                weights += further
                total = _multiply(total, z5, weights, mask)
            if ATOMS > 6:
                weights += further
                total = _multiply(total, z6, weights, mask)
            if ATOMS > 7:
                weights += further
                total = _multiply(total, z7, weights, mask)
    targets = output + (
        (image * output_image + row.to(tl.int64) * output_row +
         column.to(tl.int64) * output_column)[:, None] +
        (group * group_outputs + out)[None, :])
    tl.store(
        targets,
        total.to(output.dtype.element_ty),
        mask=inside[:, None] & wanted)


class FusedTile(NamedTuple):
    """Pixels and outputs of one program, atoms at a time."""
    rows: int
    columns: int
    outputs: int
    atoms: int


def choose_tile(size: Size, outputs: int, atoms: int) -> FusedTile:
    """Tile for ``size`` target pixels and the outputs of a group."""
    images, rows, columns = size
    atoms = divide_atoms(atoms)
    block = max(LEAST, min(power_of_two(outputs), MOST_OUTPUTS))
    while LEAST_PIXELS * (block + atoms * LEAST) > SUMS:
        block //= 2
    pixels = MOST_PIXELS
    if pixels * (block + atoms * LEAST) > SUMS \
            or images * rows * columns < pixels * FEW_PROGRAMS:
        pixels = LEAST_PIXELS
    return FusedTile(*shape_pixels(pixels, rows, columns), block, atoms)


class FusedSteps(FmaSteps):
    """Of :func:`convolve_fused`; Z alone is for the weight's gradient."""

    multiplies = True

    def convolve_and_multiply(self, source_shape: Sequence[int],
                              source_strides: Sequence[int], size: Size,
                              atoms_size: Size, taps: Taps, first_row: int,
                              first_atoms_row: int, step: Tuple[int, int],
                              follow: bool) -> Callable[..., Tensor]:
        """``step(stream, source, atoms, matrix, bias, target)`` writes Y.

        Arguments are those of :meth:`FmaSteps.convolve`.
        """
        plan = self.plan
        table = plan.keep(to_device(taps, plan.device))
        launches: Dict[tuple, Launch] = {}

        def launch_for(outputs, strides):
            tile = choose_tile(size, outputs, plan.atoms)
            tiles = ceil(size[1], tile.rows) * ceil(size[2], tile.columns)
            grid = size[0] * tiles, ceil(outputs, tile.outputs), plan.groups
            return Launch(
                convolve_fused, grid,
                (len(taps), size[1], size[2], first_row, first_atoms_row,
                 *source_shape[1:3], *step, *source_strides[:3],
                 *self.atom_strides(atoms_size), *strides[:3], plan.atoms,
                 source_shape[3] // plan.groups, outputs), WARPS,
                FOLLOW=follow, ROWS=tile.rows, COLUMNS=tile.columns,
                CHANNELS=LEAST, OUTPUTS=tile.outputs, ATOMS=tile.atoms)

        def apply(stream, source, atoms, matrix, bias, target):
            outputs = matrix.shape[2]
            maps = target.permute(0, 3, 1, 2) if target is not None else \
                torch.empty(
                    (size[0], plan.groups * outputs, *size[1:]),
                    dtype=plan.dtype, device=plan.device,
                    memory_format=torch.channels_last)
            pixels = maps.permute(0, 2, 3, 1)
            key = outputs, pixels.stride()
            if key not in launches:
                launches[key] = launch_for(*key)
            launches[key](stream, source, atoms, matrix.contiguous(), pixels,
                          table)
            if bias is not None:
                pixels += bias
            return maps

        return apply

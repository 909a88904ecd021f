"""The Triton kernel that runs both convolutions, and its launch.

Z stays on the chip: a program sums the taps of a block of channels, as
``kernels.convolve`` does, and multiplies the result with the weight at
once. See there for tiles, taps and precision.
"""
from typing import NamedTuple, Tuple

import triton
import triton.language as tl
from torch import Tensor

from .launch import Size, ceil, divide_atoms, power_of_two, shape_pixels
from .parts import jit, locate, sum_taps

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


def launch(source: Tensor, atoms: Tensor, weight: Tensor, output: Tensor,
           taps: Tensor, first_row: int, first_atoms_row: int,
           step: Tuple[int, int], follow: bool) -> None:
    """Launch :func:`convolve_fused`.

    Args:
        source (Tensor): Maps (images, height, width, channels), last stride 1.
        atoms (Tensor): (images, m, taps, rows, columns), any strides; the
            first row is row ``first_atoms_row`` of the maps' pixels.
        weight (Tensor): (groups, m * channels / groups, outputs / groups),
            contiguous.
        output (Tensor): Written: (images, rows, columns, outputs), last stride
            1, from row ``first_row`` on.
        taps (Tensor): (3, number) int32, see ``kernels.py``.
        step (tuple): Source's rows and columns from one target to the next.
        follow (bool): Take the filters of the source pixel.
    """
    size = output.shape[0], output.shape[1], output.shape[2]
    groups, num_atoms = len(weight), atoms.shape[1]
    channels, outputs = source.shape[3] // groups, output.shape[3] // groups
    tile = choose_tile(size, outputs, num_atoms)
    tiles = ceil(size[1], tile.rows) * ceil(size[2], tile.columns)
    grid = size[0] * tiles, ceil(outputs, tile.outputs), groups
    convolve_fused[grid](
        source, atoms, weight, output, taps, taps.shape[1], size[1], size[2],
        first_row, first_atoms_row, source.shape[1], source.shape[2], *step,
        *source.stride()[:3], *atoms.stride(), *output.stride()[:3],
        num_atoms, channels, outputs, FOLLOW=follow, num_warps=WARPS,
        ROWS=tile.rows, COLUMNS=tile.columns, CHANNELS=LEAST,
        OUTPUTS=tile.outputs, ATOMS=tile.atoms)

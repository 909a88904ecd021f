"""Tiles and launches of the Triton kernels. Needs Triton to be imported."""
from typing import NamedTuple, Tuple

import torch
from torch import Tensor

from . import kernels

# Threads share nothing in `convolve`. A single warp sums over channels, in
# `correlate`, and turns tiles, in `mix`, without waiting for another.
CONVOLVE_WARPS, CORRELATE_WARPS, MIX_WARPS = 4, 1, 1
# Sums per thread: as many as registers hold besides addresses and filters.
SUMS = 112
# Fewer elements per thread where there are fewer warps than this, so that
# small maps occupy a whole GPU.
FEW_WARPS = 1024
VECTOR_BYTES = 16
# Pixels with an atom each, and outputs, of a program of `mix`.
MIX_DENSE_TILE, MIX_TILE = (128, 16), (64, 8)
Size = Tuple[int, int, int]  # images, rows, columns


class Tile(NamedTuple):
    """Pixels, channels and atoms of one program."""
    rows: int
    columns: int
    channels: int
    atoms: int

    @property
    def shape(self) -> dict:
        return dict(
            ROWS=self.rows,
            COLUMNS=self.columns,
            CHANNELS=self.channels,
            ATOMS=self.atoms)

    def grid(self, size: Size, channels: int, atoms: int) -> tuple:
        """Programs, by axis."""
        images, rows, columns = size
        tiles = ceil(rows, self.rows) * ceil(columns, self.columns)
        return (images * tiles, ceil(channels, self.channels),
                ceil(atoms, self.atoms))


def ceil(count: int, size: int) -> int:
    return -(-count // size)


def power_of_two(count: int) -> int:
    """The smallest one that is at least ``count``."""
    return 1 << max(0, count - 1).bit_length()


def divide_atoms(atoms: int) -> int:
    """Atoms taken at a time: a divisor, so that there are none to spare."""
    return next(n for n in range(8, 0, -1) if atoms % n == 0)


def choose_tile(size: Size, channels: int, atoms: int, element_size: int,
                warps: int) -> Tile:
    """Tile of a program of so many warps, for ``size`` target pixels.

    One warp is to sum over the channels: it takes all of a pixel if it can.
    The block of channels does not depend on the size.
    """
    images, rows, columns = size
    atoms = divide_atoms(atoms)
    vectorized = channels * element_size % VECTOR_BYTES == 0
    elements = 32 if vectorized else 8
    while elements * atoms > SUMS:
        elements //= 2
    if warps == 1:
        block = min(32 * elements, max(16, power_of_two(channels)))
    else:
        most = 32 * VECTOR_BYTES // element_size
        sizes = [16 << n for n in range(5) if 16 << n <= most]
        padded = {n: n * ceil(channels, n) for n in sizes}
        # The largest that wastes little.
        block = max(n for n in sizes
                    if 4 * padded[n] <= 5 * min(padded.values()))
    work = images * rows * columns * block * ceil(channels, block)
    while elements > 4 and work < FEW_WARPS * 32 * elements:
        elements //= 2
    # Fewer pixels than threads: their filters are then loaded where they are
    # needed, without a detour over shared memory.
    threads = 32 * warps
    pixels = max(1, min(elements * threads // block, threads // 2))
    return Tile(*shape_pixels(pixels, rows, columns), block, atoms)


def shape_pixels(pixels: int, rows: int, columns: int) -> Tuple[int, int]:
    """Height and width of a tile of so many pixels, with few to spare."""
    heights = [1 << n for n in range(pixels.bit_length())]
    height = min(
        heights,
        key=lambda n:
        (n * ceil(rows, n) * pixels // n * ceil(columns, pixels // n),
         abs(2 * n * n - pixels)))
    return height, pixels // height


def convolve(source: Tensor, atoms: Tensor, features: Tensor, taps: Tensor,
             size: Size, first_row: int, first_atoms_row: int, step: tuple,
             follow: bool) -> None:
    """Launch ``kernels.convolve`` for ``size`` (images, rows, columns).

    Args:
        source (Tensor): Maps (images, height, width, channels), last stride 1.
        atoms (Tensor): (images, m, taps, rows, columns), any strides; the
            first row is row ``first_atoms_row`` of the maps' pixels.
        features (Tensor): Written: (groups, pixels, m * channels / groups),
            contiguous.
        taps (Tensor): (3, number) int32, see ``kernels.py``.
        size (tuple): Target's images, rows (from ``first_row`` on), columns.
        step (tuple): Source's rows and columns from one target to the next.
        follow (bool): Take the filters of the source pixel.
    """
    num_atoms, channels = atoms.shape[1], source.shape[3]
    tile = choose_tile(size, channels, num_atoms, source.element_size(),
                       CONVOLVE_WARPS)
    group_channels = channels // len(features)
    kernels.convolve[tile.grid(size, channels, num_atoms)](
        source, atoms, features, taps, taps.shape[1], size[1], size[2],
        first_row, first_atoms_row, source.shape[1], source.shape[2], *step,
        *source.stride()[:3], *atoms.stride(), channels, group_channels,
        features.stride(1), features.stride(0), FOLLOW=follow,
        GROUPED=len(features) > 1, num_warps=CONVOLVE_WARPS, **tile.shape)


def count_parts(source: Tensor, num_atoms: int) -> int:
    """Parts of what :func:`correlate` returns."""
    tile = choose_tile((1, 1, 1), source.shape[3], num_atoms,
                       source.element_size(), CORRELATE_WARPS)
    return ceil(source.shape[3], tile.channels)


def correlate(source: Tensor, grad_features: Tensor, num_atoms: int,
              taps: Tensor, size: Size, first_row: int,
              step: tuple) -> Tensor:
    """Launch ``kernels.correlate``; arguments as for :func:`convolve`.

    Returns:
        Tensor: (parts, m, taps, images, rows, columns), float32.
    """
    channels = source.shape[3]
    tile = choose_tile(size, channels, num_atoms, source.element_size(),
                       CORRELATE_WARPS)
    grid = tile.grid(size, channels, num_atoms)
    grad = source.new_empty((grid[1], num_atoms, taps.shape[1], *size),
                            dtype=torch.float32)
    group_channels = channels // len(grad_features)
    kernels.correlate[grid](
        source, grad_features, grad, taps, taps.shape[1], size[1], size[2],
        first_row, source.shape[1], source.shape[2], *step,
        *source.stride()[:3], *grad.stride()[:3], channels, group_channels,
        grad_features.stride(1), grad_features.stride(0),
        GROUPED=len(grad_features) > 1, num_warps=CORRELATE_WARPS,
        **tile.shape)
    return grad


def mix(inputs: Tensor, matrix: Tensor, outputs: Tensor) -> None:
    """Launch ``kernels.mix``.

    Args:
        inputs (Tensor): (parts, images, m, K, rows, columns), any strides.
        matrix (Tensor): (K, N), contiguous, float32.
        outputs (Tensor): Written: (images, m, N, rows, columns), any strides;
            quickest with atoms fastest and N slowest.
    """
    images, atoms, count, rows, columns = outputs.shape
    num_rows = images * atoms * rows * columns
    dense = outputs.permute(2, 0, 3, 4, 1).is_contiguous()
    tile_rows, tile_outputs = MIX_DENSE_TILE if dense else MIX_TILE
    kernels.mix[(ceil(num_rows, tile_rows), ceil(count, tile_outputs))](
        inputs, matrix, outputs, len(inputs), len(matrix), count, atoms,
        num_rows, rows, columns, *inputs.stride(), *outputs.stride(),
        DENSE=dense, ROWS=tile_rows, OUTPUTS=tile_outputs,
        num_warps=MIX_WARPS)

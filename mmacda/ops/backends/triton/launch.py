"""Tiles and launches of the Triton kernels. Needs Triton to be imported."""
import threading
from functools import lru_cache
from typing import (
    Any,
    Dict,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import triton
from torch import Tensor

from ..capture import refuse_capture
from .direct import Grid, Way

# Sums per thread: as many as registers hold besides addresses and filters.
SUMS = 112
# Fewer elements per thread where there are fewer warps than this, so that
# small maps occupy a whole GPU.
FEW_WARPS = 1024
VECTOR_BYTES = 16
# Said where it can be: the default is to change.
FUSION = dict(enable_fp_fusion=True) \
    if int(triton.__version__.split('.')[0]) >= 3 else {}
_one_at_a_time = threading.Lock()
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


@lru_cache(maxsize=1024)
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


class Launch:
    """A launch of a kernel, complete but for its tensors.

    The first one compiles. Later ones go to what was compiled at once, past
    what finds that out anew each time (``direct.py``): most of what a launch
    costs the host.
    Parameters of kernels are pointers, numbers and constants, in this order.

    Args:
        kernel (triton.JITFunction): To be launched.
        grid (tuple): Programs, by axis.
        numbers (Sequence[int]): What follows the pointers.
        warps (int): Of each program.
        fixed (Sequence[Tensor]): The last of the pointers.
        stages (int): Of loads in flight. Default: 0, Triton's choice.
        **constants (Any): Of the compilation.
    """

    def __init__(self, kernel: Any, grid: Sequence[int],
                 numbers: Sequence[int], warps: int,
                 fixed: Sequence[Tensor] = (), stages: int = 0,
                 **constants: Any):
        self.kernel = kernel
        self.grid: Grid = (*grid, 1, 1)[:3]  # type: ignore[assignment]
        self.fixed = tuple(fixed)
        self.numbers, self.constants = tuple(numbers), constants
        self.options: Dict[str, Any] = dict(num_warps=warps, **FUSION)
        if stages:
            self.options['num_stages'] = stages
        # By which pointers are aligned, None for all: kernels of their own.
        self._ways: Dict[Optional[tuple], Optional[Way]] = {}

    def __call__(self, stream: Optional[int], *tensors: Tensor) -> None:
        """Launch on a stream, the current one."""
        addresses = [*map(Tensor.data_ptr, tensors)]
        bits = 0
        for address in addresses:
            bits |= address
        aligned = tuple(a % VECTOR_BYTES == 0 for a in addresses) \
            if bits % VECTOR_BYTES else None
        way = self._ways.get(aligned)
        if way is not None and way.launch(stream, addresses):
            return
        with _one_at_a_time:
            if aligned not in self._ways:
                refuse_capture('its kernels have not been compiled yet')
            compiled = self.kernel[self.grid](
                *tensors, *self.fixed, *self.numbers, **self.constants,
                **self.options)
            if aligned not in self._ways:
                self._ways[aligned] = self._way_of(compiled)

    def _way_of(self, compiled: Any) -> Optional[Way]:
        if not hasattr(compiled, '__getitem__'):  # the interpreter's
            return None
        names = [p.name for p in self.kernel.params]
        return Way(compiled, self.grid,
                   (*(tensor.data_ptr() for tensor in self.fixed),
                    *self.numbers),
                   [self.constants[n] for n in names if n in self.constants])

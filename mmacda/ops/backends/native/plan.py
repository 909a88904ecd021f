"""What the native backend knows about a call before it sees the values."""
import ctypes
import threading
from functools import lru_cache
from typing import Any, Dict, Optional

import numpy as np
import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import Description, describe
from .half import STORAGES, pair_taps

# Products per thread below which starting a thread costs more than it saves.
PRODUCTS_PER_THREAD = 2 * 10**6
MAX_THREADS = 256  # csrc/team.h
MOST_KEPT = 2**24  # floats, 64 MiB
NARROW = 8  # pixels: half a vector of the widest kind


_of_thread = threading.local()


class _Strides(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64)
                for name in ('image', 'channel', 'row', 'column')]


class _Problem(ctypes.Structure):
    """``problem`` in csrc/problem.h."""
    _fields_ = [
        *((name, ctypes.c_int64)
          for name in ('batch', 'channels', 'height', 'width', 'out_channels',
                       'out_height', 'out_width', 'atoms', 'coefficients',
                       'taps', 'groups', 'stride_h', 'stride_w', 'pad_h',
                       'pad_w', 'hidden', 'maps', 'activation', 'storage',
                       'phases', 'plane_rows', 'plane_columns', 'tap_pairs',
                       'pair_step')),
        *((name, _Strides) for name in ('x', 'alpha', 'y', 'h')),
        *((name, ctypes.c_void_p)
          for name in ('phase_rows', 'phase_columns', 'tap_offsets',
                       'pair_first', 'pair_second', 'by_tap_start',
                       'by_tap_index', 'by_coefficient_start',
                       'by_coefficient_index', 'by_tap_value',
                       'by_coefficient_value'))
    ]


def address(tensor: Tensor) -> int:
    """Of the values of a tensor that is not empty.

    Raises:
        RuntimeError: If there are none.
    """
    pointer = tensor.data_ptr()
    if not pointer:
        raise RuntimeError('a tensor has no memory: it was freed, or stands '
                           'for another one')
    return pointer


class Plan:
    """A problem whose arrays stay alive, and its memory by thread count."""

    def __init__(self, x_shape, x_strides, alpha_shape, alpha_strides,
                 y_strides, out_channels, atoms, geometry,
                 description: Description, generator_rows, hidden,
                 activation, storage):
        batch, channels, height, width = x_shape
        maps, out_height, out_width = alpha_shape[1:]
        coefficients = (generator_rows or maps) // atoms
        (stride_h, stride_w), (pad_h, pad_w), (dil_h, dil_w), groups = geometry
        # Vectors run along the width: turn maps that are narrow and high.
        turned = out_width < min(NARROW, out_height)
        if turned:
            height, width = width, height
            out_height, out_width = out_width, out_height
            stride_h, stride_w = stride_w, stride_h
            pad_h, pad_w = pad_w, pad_h
            dil_h, dil_w = dil_w, dil_h
            x_strides, alpha_strides, y_strides = (
                (image, channel, column, row)
                for image, channel, row, column in (x_strides, alpha_strides,
                                                    y_strides))
        bases = description.sparse(turned)
        rows, columns = bases.rows * dil_h, bases.columns * dil_w
        plane_rows = out_height + (rows // stride_h).max(initial=0)
        plane_columns = out_width + (columns // stride_w).max(initial=0)
        phases, phase = np.unique(
            rows % stride_h * stride_w + columns % stride_w,
            return_inverse=True)
        offsets = (phase * plane_rows +
                   rows // stride_h) * plane_columns + columns // stride_w
        pair_step, pairs = pair_taps(offsets) \
            if storage == STORAGES[torch.bfloat16] else (0, np.empty((2, 0)))
        arrays = dict(
            pair_first=pairs[0],
            pair_second=pairs[1],
            phase_rows=phases // stride_w,
            phase_columns=phases % stride_w,
            tap_offsets=offsets,
            by_tap_start=bases.by_tap[0],
            by_tap_index=bases.by_tap[1],
            by_tap_value=bases.by_tap[2],
            by_coefficient_start=bases.by_coefficient[0],
            by_coefficient_index=bases.by_coefficient[1],
            by_coefficient_value=bases.by_coefficient[2])
        self.arrays = {
            name: array if array.dtype == np.float32 else array.astype(
                np.int32)
            for name, array in arrays.items()
        }
        self.problem = _Problem(
            batch, channels, height, width, out_channels, out_height,
            out_width, atoms, coefficients, len(rows), groups, stride_h,
            stride_w, pad_h, pad_w, hidden, maps if hidden else 0, activation,
            storage, len(phases), plane_rows, plane_columns, pairs.shape[1],
            pair_step, _Strides(*x_strides), _Strides(*alpha_strides),
            _Strides(*y_strides), _Strides(*alpha_strides),
            **{name: a.ctypes.data for name, a in self.arrays.items()})
        self.address = ctypes.addressof(self.problem)
        self.covers_input = stride_h == stride_w == 1 \
            and plane_rows >= pad_h + height \
            and plane_columns >= pad_w + width
        products = alpha_shape[0] * out_height * out_width * atoms * channels
        products *= len(rows) + out_channels // groups
        self.most_threads = 1 + products // PRODUCTS_PER_THREAD
        self.floats: Dict[tuple, int] = {}

    def threads(self) -> int:
        return min(torch.get_num_threads(), self.most_threads, MAX_THREADS)

    def memory(self, count_floats: Any, *arguments: int) -> Tensor:
        """Working memory of one of the library's functions, for one call.

        What is not too large a thread keeps for its next call: to hand it
        back and get it anew takes as long as several passes over it.
        """
        key = count_floats.__name__, arguments
        floats = self.floats.get(key)
        if floats is None:
            floats = count_floats(self.address, *arguments)
            self.floats[key] = floats
        if floats > MOST_KEPT or torch.are_deterministic_algorithms_enabled():
            return _floats(floats)  # deterministic: new memory is filled
        kept = getattr(_of_thread, 'memory', None)
        if kept is None or kept.numel() < floats:
            kept = _of_thread.memory = _floats(floats)
        return kept


def _floats(count: int) -> Tensor:
    return torch.empty(count, dtype=torch.float32, device='cpu')


_cached_plan = lru_cache(maxsize=256)(Plan)


def make_plan(x: Tensor, alpha: Tensor, atoms: int,
              atom_bases: Optional[Tensor], y: Tensor,
              geometry: ConvGeometry, generator_rows: int = 0,
              hidden: int = 0, activation: int = 0) -> Plan:
    """The plan of a call; ``alpha`` is (B, m * J, Ho, Wo).

    With ``generator_rows``, m * J, it is what the generator makes its
    ``hidden`` maps of, or they themselves.
    """
    description = describe(atom_bases,
                           (generator_rows or alpha.shape[1]) // atoms)
    return _cached_plan(x.shape, x.stride(), alpha.shape, alpha.stride(),
                        y.stride(), y.shape[1], atoms, geometry, description,
                        generator_rows, hidden, activation,
                        STORAGES[x.dtype])

"""The C backend: float32 on a CPU, compiled at first use.

The sources under ``csrc`` need no PyTorch headers; they are called through
ctypes on raw pointers, without the interpreter lock. ``MMACDA_NATIVE=0``
switches the backend off.
"""
import ctypes
import logging
import os
from functools import lru_cache
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ..geometry import ConvGeometry
from ..memory_format import make_dense, memory_format_of
from . import stock

ENVIRONMENT_VARIABLE = 'MMACDA_NATIVE'
# Products per thread below which starting a thread costs more than it saves.
PRODUCTS_PER_THREAD = 2 * 10**6

logger = logging.getLogger('mmacda')


class _Strides(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64)
                for name in ('image', 'channel', 'row', 'column')]


class _Problem(ctypes.Structure):
    """``problem`` in csrc/problem.h."""
    _fields_ = [(name, ctypes.c_int64) for name in (
        'batch', 'channels', 'height', 'width', 'out_channels', 'out_height',
        'out_width', 'atoms', 'coefficients', 'taps', 'groups', 'stride_h',
        'stride_w', 'pad_h', 'pad_w', 'phases', 'plane_rows', 'plane_columns')
                ] + [(name, _Strides) for name in ('x', 'alpha', 'y')] + [
                    (name, ctypes.c_void_p)
                    for name in ('phase_rows', 'phase_columns', 'tap_offsets',
                                 'by_tap_start', 'by_tap_index',
                                 'by_coefficient_start',
                                 'by_coefficient_index', 'by_tap_value',
                                 'by_coefficient_value')
                ]


class _Library(NamedTuple):
    functions: ctypes.CDLL
    launcher: Optional[int]  # GOMP_parallel of PyTorch's own threads
    process: int


@lru_cache(maxsize=None)
def _load() -> Tuple[Optional[_Library], Optional[str]]:
    """The library, or the reason why there is none (logged once)."""
    from ..build import BuildError, build  # its own main module at times
    try:
        path, _ = build()
        functions = ctypes.CDLL(str(path))
    except (BuildError, OSError) as error:
        reason = f'the native library is not available: {error}'
        logger.warning('%s; using the stock backend, which is slower', reason)
        return None, reason
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    functions.mmacda_forward_floats.argtypes = [pointer, number]
    functions.mmacda_forward_floats.restype = size
    functions.mmacda_forward.argtypes = [pointer] * 6 + [number, pointer]
    functions.mmacda_forward.restype = None
    functions.mmacda_backward_floats.argtypes = [pointer, number, number]
    functions.mmacda_backward_floats.restype = size
    functions.mmacda_backward.argtypes = [pointer] * 9 + [
        number, number, pointer
    ]
    functions.mmacda_backward.restype = None
    launcher = getattr(ctypes.CDLL(None), 'GOMP_parallel', None)
    return _Library(functions, launcher and ctypes.cast(
        launcher, pointer).value, os.getpid()), None


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.device.type != 'cpu':
        return f'it runs on a CPU, but the input is on {x.device}'
    if x.dtype != torch.float32:
        return f'it computes in float32, but the input is {x.dtype}'
    if alpha.numel() == 0 or x.numel() == 0 or weight.numel() == 0:
        return 'a tensor is empty'
    if os.environ.get(ENVIRONMENT_VARIABLE) == '0':
        return f'{ENVIRONMENT_VARIABLE}=0 switches it off'
    return _load()[1]


class _SparseBases(NamedTuple):
    """Live taps and the non-zero basis values, row-compressed both ways."""
    kernel: int
    rows: np.ndarray
    columns: np.ndarray
    by_tap: Tuple[np.ndarray, ...]
    by_coefficient: Tuple[np.ndarray, ...]


def _compress(matrix: np.ndarray) -> Tuple[np.ndarray, ...]:
    row, column = np.nonzero(matrix)
    start = np.searchsorted(row, np.arange(len(matrix) + 1))
    return (start.astype(np.int32), column.astype(np.int32),
            matrix[row, column].astype(np.float32))


@lru_cache(maxsize=64)
def _sparse_bases(values: Optional[bytes], coefficients: int) -> _SparseBases:
    if values is None:  # direct atoms: every coefficient is a tap
        bases = np.eye(coefficients, dtype=np.float32)
    else:
        bases = np.frombuffer(values, np.float32).reshape(coefficients, -1)
    kernel = round(bases.shape[1]**0.5)
    live = np.flatnonzero(bases.any(0))
    # By columns: csrc/atoms.h:spread_input says why.
    live = live[np.argsort(live % kernel, kind='stable')]
    return _SparseBases(kernel, live // kernel, live % kernel,
                        _compress(bases[:, live].T), _compress(bases[:, live]))


class _Plan:
    """A problem whose arrays stay alive, and its memory by thread count."""

    def __init__(self, x_shape, x_strides, alpha_shape, alpha_strides,
                 y_strides, out_channels, atoms, geometry, values):
        batch, channels, height, width = x_shape
        coefficients, out_height, out_width = alpha_shape[1:]
        coefficients //= atoms
        (stride_h, stride_w), (pad_h, pad_w), (dil_h, dil_w), groups = geometry
        bases = _sparse_bases(values, coefficients)
        rows, columns = bases.rows * dil_h, bases.columns * dil_w
        plane_rows = out_height + (rows // stride_h).max(initial=0)
        plane_columns = out_width + (columns // stride_w).max(initial=0)
        phases, phase = np.unique(
            rows % stride_h * stride_w + columns % stride_w,
            return_inverse=True)
        offsets = (phase * plane_rows +
                   rows // stride_h) * plane_columns + columns // stride_w
        arrays = dict(
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
            stride_w, pad_h, pad_w, len(phases), plane_rows, plane_columns,
            _Strides(*x_strides), _Strides(*alpha_strides),
            _Strides(*y_strides),
            **{name: a.ctypes.data for name, a in self.arrays.items()})
        self.address = ctypes.addressof(self.problem)
        self.covers_input = geometry.stride == (1, 1) \
            and plane_rows >= pad_h + height \
            and plane_columns >= pad_w + width
        products = alpha_shape[0] * out_height * out_width * atoms * channels
        products *= len(rows) + out_channels // groups
        self.most_threads = 1 + products // PRODUCTS_PER_THREAD
        self.floats = {}

    def threads(self) -> int:
        return min(torch.get_num_threads(), self.most_threads, 256)


_make_plan = lru_cache(maxsize=256)(_Plan)


def _plan(x: Tensor, alpha: Tensor, atoms: int, atom_bases: Optional[Tensor],
          y: Tensor, geometry: ConvGeometry) -> _Plan:
    values = None
    if atom_bases is not None:
        bases = atom_bases.detach().float().contiguous()
        values = ctypes.string_at(bases.data_ptr(), 4 * bases.numel())
    return _make_plan(x.shape, x.stride(), alpha.shape, alpha.stride(),
                      y.stride(), y.shape[1], atoms, geometry, values)


def _memory(plan: _Plan, count_floats, *arguments) -> Tensor:
    if arguments not in plan.floats:
        plan.floats[arguments] = count_floats(plan.address, *arguments)
    return torch.empty(plan.floats[arguments], dtype=torch.float32)


def _launcher(library: _Library) -> Optional[int]:
    # The OpenMP runtime's threads do not survive a fork; plain ones do.
    return library.launcher if os.getpid() == library.process else None


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) without bias, in the input's format."""
    library, _ = _load()
    x, weight, atoms = make_dense(x), weight.contiguous(), alpha.shape[1]
    alpha = make_dense(alpha.flatten(1, 2))
    y = torch.empty((alpha.shape[0], weight.shape[0], *alpha.shape[2:]),
                    dtype=x.dtype,
                    memory_format=memory_format_of(x))
    plan = _plan(x, alpha, atoms, atom_bases, y, geometry)
    threads = plan.threads()
    memory = _memory(plan, library.functions.mmacda_forward_floats, threads)
    library.functions.mmacda_forward(plan.address, x.data_ptr(),
                                     alpha.data_ptr(), weight.data_ptr(),
                                     y.data_ptr(), memory.data_ptr(), threads,
                                     _launcher(library))
    return y


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    library, _ = _load()
    grad_bases = None
    if needs[2]:  # rare: bases are fixed in the paper
        grad_bases = stock.backward(grad_output, x, alpha, atom_bases, weight,
                                    geometry, (False, False, True, False))[2]
    grad_output, x = make_dense(grad_output), make_dense(x)
    weight, shape = weight.contiguous(), alpha.shape
    alpha = make_dense(alpha.flatten(1, 2))
    plan = _plan(x, alpha, shape[1], atom_bases, grad_output, geometry)
    need_x, need_alpha, _, need_weight = needs
    flags = need_x + 2 * need_alpha + 4 * need_weight
    grad_x = grad_alpha = grad_weight = None
    if need_x:
        make = torch.empty_like if plan.covers_input else torch.zeros_like
        grad_x = make(x)
    if need_alpha:
        grad_alpha = torch.empty_like(alpha)
    if need_weight:
        grad_weight = torch.empty_like(weight)
    threads = plan.threads()
    memory = _memory(plan, library.functions.mmacda_backward_floats, flags,
                     threads)
    library.functions.mmacda_backward(
        plan.address, grad_output.data_ptr(), x.data_ptr(), alpha.data_ptr(),
        weight.data_ptr(), *(None if grad is None else grad.data_ptr()
                             for grad in (grad_x, grad_alpha, grad_weight)),
        memory.data_ptr(), flags, threads, _launcher(library))
    if need_alpha:
        grad_alpha = grad_alpha.view(shape)
    return grad_x, grad_alpha, grad_bases, grad_weight

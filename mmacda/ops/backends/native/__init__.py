"""The C backend: float32 on a CPU, compiled at first use.

The sources under ``csrc`` need no PyTorch headers; they are called through
ctypes on raw pointers, without the interpreter lock. ``MMACDA_NATIVE=0``
(or no, off, false) switches the backend off.
"""
import ctypes
import logging
import os
from functools import lru_cache
from typing import NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ...generator import Generator
from ...geometry import ConvGeometry
from ...memory_format import make_dense, memory_format_of
from ...tracing import find_obstacle
from .. import stock
from .limits import find_excess, is_switched_off
from .plan import Plan, address, make_plan

logger = logging.getLogger('mmacda')


class _Library(NamedTuple):
    functions: ctypes.CDLL
    launcher: Optional[int]  # GOMP_parallel of PyTorch's own threads
    process: int


@lru_cache(maxsize=None)
def _load() -> Tuple[Optional[_Library], Optional[str]]:
    """The library, or the reason why there is none (logged once)."""
    from ...build import BuildError, build  # its own main module at times
    try:
        path, _ = build()
        return _declare(ctypes.CDLL(str(path))), None
    except (BuildError, OSError, AttributeError) as error:
        reason = f'the native library is not available: {error}'
        logger.warning('%s; PyTorch\'s operators serve instead, more slowly',
                       reason)
        return None, reason


def _declare(functions: ctypes.CDLL) -> _Library:
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    functions.mmacda_forward_floats.argtypes = [pointer, number]
    functions.mmacda_forward_floats.restype = size
    functions.mmacda_forward.argtypes = [pointer] * 8 + [number, pointer]
    functions.mmacda_forward.restype = None
    functions.mmacda_backward_floats.argtypes = [pointer, number, number]
    functions.mmacda_backward_floats.restype = size
    functions.mmacda_backward.argtypes = [pointer] * 11 + [
        number, number, pointer
    ]
    functions.mmacda_fold_norm.argtypes = [size] * 2 + [pointer] * 5 + [
        ctypes.c_double, pointer
    ]
    functions.mmacda_fold_norm.restype = None
    functions.mmacda_generator_pitch.argtypes = [pointer]
    functions.mmacda_generator_pitch.restype = size
    functions.mmacda_backward.restype = None
    launcher = getattr(ctypes.CDLL(None), 'GOMP_parallel', None)
    return _Library(functions, launcher and ctypes.cast(
        launcher, pointer).value, os.getpid())


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.device.type != 'cpu':
        return f'it runs on a CPU, but the input is on {x.device}'
    if x.dtype != torch.float32:
        return f'it computes in float32, but the input is {x.dtype}'
    if alpha.numel() == 0 or x.numel() == 0 or weight.numel() == 0:
        return 'a tensor is empty'
    return find_obstacle(x, alpha, atom_bases, weight) \
        or find_excess(alpha.shape, atom_bases, geometry) \
        or is_switched_off() or _load()[1]


def _loaded() -> _Library:
    library, reason = _load()
    if library is None:  # can_run says so before
        raise RuntimeError(reason)
    return library


def _memory(plan: Plan, count_floats, *arguments) -> Tensor:
    if arguments not in plan.floats:
        plan.floats[arguments] = count_floats(plan.address, *arguments)
    return torch.empty(plan.floats[arguments], dtype=torch.float32)


def _launcher(library: _Library) -> Optional[int]:
    # The OpenMP runtime's threads do not survive a fork; plain ones do.
    return library.launcher if os.getpid() == library.process else None


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) without bias, in the input's format."""
    return _forward(x, alpha.flatten(1, 2), None, alpha.shape[1], atom_bases,
                    weight, geometry)


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    grad_bases = None
    if needs[2]:  # rare: bases are fixed in the paper
        grad_bases = stock.backward(grad_output, x, alpha, atom_bases, weight,
                                    geometry, (False, False, True, False))[2]
    grad_x, grad_alpha, _, grad_weight = _backward(
        grad_output, x, alpha.flatten(1, 2), None, alpha.shape[1], atom_bases,
        weight, geometry, (needs[0], needs[1], False, needs[3]))
    if grad_alpha is not None:
        grad_alpha = grad_alpha.view(alpha.shape)
    return grad_x, grad_alpha, grad_bases, grad_weight


def can_generate(x: Tensor, generator: Generator) -> Optional[str]:
    """Reason why coefficients are made before the call, or None."""
    return None


def forward_generated(x: Tensor, hidden: Tensor, generator: Generator,
                      atom_bases: Optional[Tensor], weight: Tensor,
                      geometry: ConvGeometry) -> Tensor:
    """:func:`forward` with coefficients that are made tile by tile."""
    return _forward(x, hidden, generator, generator.num_atoms, atom_bases,
                    weight, geometry)


def backward_generated(
        grad_output: Tensor, x: Tensor, hidden: Tensor, generator: Generator,
        atom_bases: Optional[Tensor], weight: Tensor, geometry: ConvGeometry,
        needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, hidden maps, generator's matrix and weight."""
    return _backward(grad_output, x, hidden, generator, generator.num_atoms,
                     atom_bases, weight, geometry, needs)


def _source(maps: Tensor, generator: Optional[Generator]) -> tuple:
    """Maps, matrix and norm as C reads them; the plan's last arguments."""
    if generator is None:
        return make_dense(maps), None, None, ()
    matrix, norm = generator.matrix.contiguous(), generator.hidden_norm
    # The bits of csrc/generator.h.
    activation = generator.tanh + 2 * (norm is not None)
    return (make_dense(maps), matrix, norm if norm is None else
            norm.contiguous(), (len(matrix), activation))


def _address(tensor: Optional[Tensor]) -> Optional[int]:
    return None if tensor is None else address(tensor)


def _forward(x: Tensor, maps: Tensor, generator: Optional[Generator],
             atoms: int, atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry) -> Tensor:
    library = _loaded()
    x, weight = make_dense(x), weight.contiguous()
    maps, matrix, norm, options = _source(maps, generator)
    y = torch.empty((maps.shape[0], weight.shape[0], *maps.shape[2:]),
                    dtype=x.dtype,
                    memory_format=memory_format_of(x))
    plan = make_plan(x, maps, atoms, atom_bases, y, geometry, *options)
    threads = plan.threads()
    memory = _memory(plan, library.functions.mmacda_forward_floats, threads)
    library.functions.mmacda_forward(
        plan.address, address(x), address(maps), _address(matrix),
        _address(norm), address(weight), address(y), address(memory), threads,
        _launcher(library))
    return y


def _backward(grad_output: Tensor, x: Tensor, maps: Tensor,
              generator: Optional[Generator], atoms: int,
              atom_bases: Optional[Tensor], weight: Tensor,
              geometry: ConvGeometry,
              needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of x, maps, the generator's matrix and weight."""
    library = _loaded()
    grad_output, x = make_dense(grad_output), make_dense(x)
    weight = weight.contiguous()
    maps, matrix, _, options = _source(maps, generator)
    plan = make_plan(x, maps, atoms, atom_bases, grad_output, geometry,
                     *options)
    need_x, need_maps, need_matrix, need_weight = needs
    flags = need_x + 4 * need_weight
    if need_maps or need_matrix:
        flags += 2
        if matrix is not None:
            flags += 8 * need_maps + 16 * need_matrix
    grad_x = grad_maps = grad_matrix = grad_weight = None
    if need_x:
        make = torch.empty_like if plan.covers_input else torch.zeros_like
        grad_x = make(x)
    if need_maps:
        grad_maps = torch.empty_like(maps)
    if need_matrix:
        grad_matrix = x.new_empty(
            len(matrix), library.functions.mmacda_generator_pitch(
                plan.address))
    if need_weight:
        grad_weight = torch.empty_like(weight)
    threads = plan.threads()
    memory = _memory(plan, library.functions.mmacda_backward_floats, flags,
                     threads)
    library.functions.mmacda_backward(
        plan.address, address(grad_output), address(x), address(maps),
        _address(matrix), address(weight),
        *map(_address, (grad_x, grad_maps, grad_matrix, grad_weight)),
        address(memory), flags, threads, _launcher(library))
    if grad_matrix is not None:
        grad_matrix = grad_matrix[:, :matrix.shape[1]]
    return grad_x, grad_maps, grad_matrix, grad_weight

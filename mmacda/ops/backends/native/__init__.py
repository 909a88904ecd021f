"""The C backend: float32 and half precision on a CPU.

The sources under ``csrc`` need no PyTorch headers; they are called through
ctypes on raw pointers, without the interpreter lock. ``MMACDA_NATIVE=0``
(or no, off, false) switches the backend off.
"""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from ...generator import Generator
from ...geometry import ConvGeometry
from ...memory_format import make_dense, memory_format_of
from ...tracing import find_obstacle
from .. import stock
from .batch import Affine, Batch, differentiate, measure
from .half import STORAGES, like, readable, widen
from .limits import find_excess, find_excess_of
from .plan import Plan, address, make_plan
from .shared_library import (describe_half, is_unavailable, library,
                             readable_storages)

def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.device.type != 'cpu':
        return f'it runs on a CPU, but the input is on {x.device}'
    if x.dtype not in STORAGES:
        return f'it computes in float32, but the input is {x.dtype}'
    if alpha.numel() == 0 or x.numel() == 0 or weight.numel() == 0:
        return 'a tensor is empty'
    return find_obstacle(x, alpha, atom_bases, weight) \
        or find_excess(alpha.shape, atom_bases, geometry) \
        or is_unavailable()


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
        grad_bases = stock.backward(grad_output.float(), x.float(),
                                    alpha.float(), atom_bases, weight.float(),
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
                      geometry: ConvGeometry,
                      bias: Optional[Tensor] = None) -> Tensor:
    """:func:`forward` with coefficients that are made tile by tile."""
    return _forward(x, hidden, generator, generator.num_atoms, atom_bases,
                    weight, geometry, bias)


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
    matrix = generator.matrix.float().contiguous()
    norm = widen(generator.hidden_norm)
    # The bits of csrc/generator.h.
    activation = generator.tanh + 2 * (norm is not None
                                       or generator.first is not None)
    if generator.first is None:  # else it is the input, by its strides
        maps = make_dense(maps)
    return (maps, matrix, norm if norm is None else norm.contiguous(),
            (len(matrix), matrix.shape[1] - 1, activation))


def _address(tensor: Optional[Tensor]) -> Optional[int]:
    return None if tensor is None else address(tensor)


def _forward(x: Tensor, maps: Tensor, generator: Optional[Generator],
             atoms: int, atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             bias: Optional[Tensor] = None) -> Tensor:
    dtype = x.dtype
    x, maps = readable(readable_storages(), x, maps)
    x, weight = make_dense(x), weight.float().contiguous()
    maps, matrix, norm, options = _source(maps, generator)
    first = None if generator is None or generator.first is None \
        else generator.first.contiguous()
    if bias is not None:
        bias = bias.contiguous()
    y = _output(x, maps, weight)
    plan = make_plan(x, maps, atoms, atom_bases, y, geometry, *options)
    _run_forward(plan, x, maps, matrix, norm, weight, y, first, bias)
    return y.to(dtype)


def _output(x: Tensor, maps: Tensor, weight: Tensor) -> Tensor:
    return torch.empty((maps.shape[0], weight.shape[0], *maps.shape[2:]),
                       dtype=x.dtype,
                       memory_format=memory_format_of(x))


def _run_forward(plan: Plan, x: Tensor, maps: Tensor,
                 matrix: Optional[Tensor], norm: Optional[Tensor],
                 weight: Tensor, y: Tensor, first: Optional[Tensor] = None,
                 bias: Optional[Tensor] = None) -> None:
    functions, launcher = library()
    threads = plan.threads()
    memory = plan.memory(functions.mmacda_forward_floats, threads)
    functions.mmacda_forward(
        plan.address, address(x), address(maps), _address(first),
        _address(matrix), _address(norm), address(weight), _address(bias),
        address(y), address(memory), threads, launcher)


def forward_batch(x: Tensor, maps: Optional[Tensor], num_atoms: int,
                  tanh: bool, first_weight: Optional[Tensor], first: Affine,
                  second_weight: Tensor, second: Affine,
                  atom_bases: Optional[Tensor], weight: Tensor,
                  geometry: ConvGeometry,
                  size: Tuple[int, int]) -> Tuple[Tensor, Tensor, Batch]:
    """:func:`forward_generated` with both norms' statistics of this batch.

    ``maps`` are those in front of the first norm, and Tanh follows it. With
    a ``first_weight`` (H, C, 1, 1) they are made of x. ``size`` is (Ho, Wo).

    Returns:
        Tuple: y, the maps and what is known of the batch.
    """
    x, weight = make_dense(x), weight.contiguous()
    if first_weight is not None:
        first_weight = first_weight.contiguous()
        shape = x.shape[0], first_weight.shape[0], *size
        maps = torch.empty(
            shape, dtype=x.dtype, memory_format=memory_format_of(x))
    assert maps is not None
    maps = make_dense(maps)
    y = _output(x, maps, weight)
    plan = make_plan(x, maps, num_atoms, atom_bases, y, geometry,
                     len(second_weight),
                     second_weight.shape[1], tanh + 2)
    batch = measure(*library(), plan, None if first_weight is None else x,
                    first_weight, maps, second_weight.contiguous(), first,
                    second)
    _run_forward(plan, x, maps, batch.matrix, batch.hidden_norm, weight, y)
    return y, maps, batch


def backward_batch(grad_output: Tensor, x: Tensor, maps: Tensor,
                   num_atoms: int, tanh: bool,
                   first_weight: Optional[Tensor], first: Affine,
                   second_weight: Tensor, second: Affine, batch: Batch,
                   atom_bases: Optional[Tensor], weight: Tensor,
                   geometry: ConvGeometry, needs: Sequence[bool]) -> tuple:
    """Gradients of x, maps, the generator's parameters and weight.

    ``needs`` are those of x, of anything in front of the hidden maps' Tanh
    but x, of the second convolution or its norm, and of weight.
    """
    maps, second_weight = make_dense(maps), second_weight.contiguous()
    x, grad_output = make_dense(x), make_dense(grad_output)
    generator = Generator(batch.matrix, num_atoms, tanh, batch.hidden_norm)
    needs_maps = needs[1] or first_weight is not None and needs[0]
    # The second norm's statistics lead from its gradients to the maps.
    grad_x, grad_hidden, grad_matrix, grad_weight = _backward(
        grad_output, x, maps, generator, num_atoms, atom_bases, weight,
        geometry, (needs[0], needs_maps, needs_maps or needs[2], needs[3]))
    if grad_matrix is None:
        return grad_x, None, (None, ) * 6, grad_weight
    plan = make_plan(x, maps, num_atoms, atom_bases, grad_output, geometry,
                     len(second_weight),
                     second_weight.shape[1], tanh + 2)
    given = first_weight is None
    grads = differentiate(*library(), plan, grad_matrix, grad_hidden,
                          None if given else grad_x, None if given else x,
                          widen(first_weight), maps, second_weight, first,
                          second, batch)
    return grad_x, grad_hidden, grads, grad_weight


def _backward(grad_output: Tensor, x: Tensor, maps: Tensor,
              generator: Optional[Generator], atoms: int,
              atom_bases: Optional[Tensor], weight: Tensor,
              geometry: ConvGeometry,
              needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of x, maps, the generator's matrix and weight."""
    dtype = x.dtype
    grad_output, x, maps = readable(readable_storages(), grad_output, x, maps)
    grad_output, x = make_dense(grad_output), make_dense(x)
    given_weight, weight = weight, weight.float().contiguous()
    maps, matrix, norm, options = _source(maps, generator)
    plan = make_plan(x, maps, atoms, atom_bases, grad_output, geometry,
                     *options)
    need_x, need_maps, need_matrix, need_weight = needs
    flags = need_x + 4 * need_weight
    functions, launcher = library()
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
        grad_matrix = matrix.new_empty(
            len(matrix), functions.mmacda_generator_pitch(
                plan.address))
    if need_weight:
        grad_weight = torch.empty_like(weight)
    threads = plan.threads()
    memory = plan.memory(functions.mmacda_backward_floats, flags,
                         threads)
    functions.mmacda_backward(
        plan.address, address(grad_output), address(x), address(maps),
        _address(matrix), _address(norm), address(weight),
        *map(_address, (grad_x, grad_maps, grad_matrix, grad_weight)),
        address(memory), flags, threads, launcher)
    if grad_matrix is not None and generator is not None:
        grad_matrix = like(grad_matrix[:, :matrix.shape[1]],
                           generator.matrix)
    if x.dtype != dtype:
        grad_x, grad_maps = (g if g is None else g.to(dtype)
                             for g in (grad_x, grad_maps))
    return grad_x, grad_maps, grad_matrix, like(grad_weight, given_weight)

"""adaptive_conv2d as operators that torch.compile and torch.export know.

``mmacda::adaptive_conv2d`` and ``mmacda::adaptive_conv2d_backward`` choose
their backend when they run. Eager calls do without them: their registration
costs more per call than an autograd.Function. Needs torch 2.4.
"""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from .autocast import AVAILABLE, call_as_given
from .backends import (BACKENDS, COMPUTING, choose_backend, prepare_half,
                       prepare_named)
from .geometry import ConvGeometry
from .memory_format import memory_format_of
from .tracing import ONCE, is_recorded, is_transformed


def serves(first: Tensor, *others: Optional[Tensor]) -> bool:
    """Whether a call must be an operator: it is compiled or recorded."""
    if not AVAILABLE:
        return False
    if not torch.compiler.is_compiling():
        if not is_recorded(first, *others) or is_transformed() \
                or torch.jit.is_tracing():
            return False
    return not torch.onnx.is_in_onnx_export()


def _geometry(stride, padding, dilation, groups) -> ConvGeometry:
    return ConvGeometry(
        tuple(stride), tuple(padding), tuple(dilation), groups)


def _choose(backend, *arguments):
    """The module that serves, and the arguments in its dtype."""
    x, alpha, atom_bases, weight, geometry = arguments
    x, alpha, weight = prepare_named(backend, x, alpha, weight)
    name, _ = choose_backend(backend, x, alpha, atom_bases, weight, geometry)
    if name not in COMPUTING:  # autograd does not reach into an operator
        name = 'stock'
    x, alpha, weight = prepare_half(name, x, alpha, weight)
    return BACKENDS[name], (x, alpha, atom_bases, weight, geometry)


def _forward(input: Tensor, basis_coefficients: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             stride: Sequence[int], padding: Sequence[int],
             dilation: Sequence[int], groups: int,
             backend: Optional[str]) -> Tensor:
    geometry = _geometry(stride, padding, dilation, groups)
    module, arguments = _choose(backend, input, basis_coefficients,
                                atom_bases, weight, geometry)
    output = call_as_given(module.forward, *arguments).to(input.dtype)
    return output.contiguous(memory_format=memory_format_of(input))


def _fake_forward(input, basis_coefficients, atom_bases, weight, stride,
                  padding, dilation, groups, backend):
    shape = (input.shape[0], weight.shape[0], *basis_coefficients.shape[3:])
    return input.new_empty(shape).contiguous(
        memory_format=memory_format_of(input))


def _backward(
        grad_output: Tensor, input: Tensor, basis_coefficients: Tensor,
        atom_bases: Optional[Tensor], weight: Tensor, stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int,
        backend: Optional[str],
        needs: Sequence[bool]) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    geometry = _geometry(stride, padding, dilation, groups)
    tensors = input, basis_coefficients, atom_bases, weight
    module, arguments = _choose(backend, *tensors, geometry)
    grad_output = grad_output.to(arguments[0].dtype)
    grads = call_as_given(module.backward, grad_output, *arguments, needs)
    formats = (memory_format_of(input), ) + (torch.contiguous_format, ) * 3
    results = [
        input.new_empty(0) if grad is None or tensor is None else grad.to(
            tensor.dtype).contiguous(memory_format=memory_format)
        for grad, tensor, memory_format in zip(grads, tensors, formats)
    ]
    return results[0], results[1], results[2], results[3]


def _fake_backward(grad_output, input, basis_coefficients, atom_bases, weight,
                   stride, padding, dilation, groups, backend, needs):
    tensors = input, basis_coefficients, atom_bases, weight
    formats = (memory_format_of(input), ) + (torch.contiguous_format, ) * 3
    return tuple(
        tensor.new_empty(tensor.shape).contiguous(
            memory_format=memory_format) if need else input.new_empty(0)
        for tensor, need, memory_format in zip(tensors, needs, formats))


if AVAILABLE:
    apply = torch.library.custom_op(
        'mmacda::adaptive_conv2d', _forward, mutates_args=())
    apply.register_fake(_fake_forward)
    apply_backward = torch.library.custom_op(
        'mmacda::adaptive_conv2d_backward', _backward, mutates_args=())
    apply_backward.register_fake(_fake_backward)

    def _setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:4])
        ctx.options = inputs[4:]

    def _differentiate(ctx, grad_output):
        grads = differentiate(grad_output, ctx.saved_tensors, ctx.options,
                              ctx.needs_input_grad[:4])
        return *grads, *[None] * len(ctx.options)

    def _refuse(ctx, *_):
        raise RuntimeError(ONCE)

    apply.register_autograd(_differentiate, setup_context=_setup_context)
    apply_backward.register_autograd(_refuse)


def differentiate(grad_output: Tensor, tensors: Sequence[Optional[Tensor]],
                  options: Sequence, needs: Sequence[bool]) -> tuple:
    """Gradients of the tensors, None where not needed.

    ``options`` are the arguments that follow them in :func:`apply`.
    """
    grads = apply_backward(grad_output, *tensors, *options, needs)
    return tuple(grad if need else None for grad, need in zip(grads, needs))

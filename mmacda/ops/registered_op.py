"""adaptive_conv2d as operators that torch.compile and torch.export know.

``mmacda::adaptive_conv2d`` and ``mmacda::adaptive_conv2d_backward`` choose
their backend when they run. Eager calls do without them: their registration
costs more per call than an autograd.Function. Needs torch 2.4.
"""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from .autocast import AVAILABLE, call_as_given
from .backends import BACKENDS, COMPUTING, choose_backend
from .geometry import ConvGeometry
from .memory_format import memory_format_of


def _geometry(stride, padding, dilation, groups) -> ConvGeometry:
    return ConvGeometry(
        tuple(stride), tuple(padding), tuple(dilation), groups)


def _choose(backend, *arguments):
    name, module = choose_backend(backend, *arguments)
    # Autograd does not reach into an operator.
    return module if name in COMPUTING else BACKENDS['stock']


def _forward(input: Tensor, basis_coefficients: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             stride: Sequence[int], padding: Sequence[int],
             dilation: Sequence[int], groups: int,
             backend: Optional[str]) -> Tensor:
    geometry = _geometry(stride, padding, dilation, groups)
    arguments = input, basis_coefficients, atom_bases, weight, geometry
    module = _choose(backend, *arguments)
    output = call_as_given(module.forward, *arguments)
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
    arguments = input, basis_coefficients, atom_bases, weight, geometry
    module = _choose(backend, *arguments)
    grads = call_as_given(module.backward, grad_output, *arguments, needs)
    formats = (memory_format_of(input), ) + (torch.contiguous_format, ) * 3
    results = [
        input.new_empty(0) if grad is None else grad.contiguous(
            memory_format=memory_format)
        for grad, memory_format in zip(grads, formats)
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
        needs = ctx.needs_input_grad[:4]
        grads = apply_backward(grad_output, *ctx.saved_tensors, *ctx.options,
                               needs)
        return (*(grad if need else None for grad, need in zip(grads, needs)),
                *[None] * len(ctx.options))

    apply.register_autograd(_differentiate, setup_context=_setup_context)

"""The gradients of a call, by the backend that served it."""
from typing import Optional, Sequence, Tuple

import torch
from torch import Tensor

from . import registered_op
from .autocast import call_as_given
from .backends import BACKENDS
from .geometry import ConvGeometry
from .tracing import ONCE, find_obstacle

# What torch.autograd.grad(..., is_grads_batched=True) hands over.
_is_batched = getattr(torch._C._functorch, 'is_legacy_batchedtensor',
                      lambda tensor: False)
Gradients = Tuple[Optional[Tensor], ...]


class _NotTwice(torch.autograd.Function):
    """Passes gradients on that have no derivative themselves."""

    @staticmethod
    def forward(ctx, *grads):
        return tuple(grad if grad is None else grad.detach()
                     for grad in grads)

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError(ONCE)


def without_negation(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """The tensor with its values in memory.

    PyTorch negates lazily, as for ``x.conj().imag``: what reads the memory
    itself would miss it.
    """
    return tensor if tensor is None or not tensor.is_neg() \
        else tensor.resolve_neg()


def differentiate(name: str, grad_output: Tensor,
                  tensors: Sequence[Optional[Tensor]], geometry: ConvGeometry,
                  needs: Sequence[bool]) -> Gradients:
    """Gradients of input, coefficients, bases and weight, where needed.

    Second derivatives of these end in an error. PyTorch's
    ``once_differentiable`` would drop them silently where ``grad_output``
    needs no gradient itself.

    Raises:
        RuntimeError: If a transform of torch.func maps over ``grad_output``.
    """
    if registered_op.serves(grad_output, *tensors):
        return registered_op.differentiate(grad_output, tensors,
                                           (*geometry, name), needs)
    grad_output = without_negation(grad_output)
    reason = find_obstacle(grad_output, *tensors)
    if _is_batched(grad_output):
        reason = "gradients in batches need backend='reference'"
    if reason:
        raise RuntimeError(f'adaptive_conv2d has no such gradient: {reason}')
    with torch.no_grad():
        grads = call_as_given(BACKENDS[name].backward, grad_output, *tensors,
                              geometry, needs)
    if not torch.is_grad_enabled():
        return grads
    return _NotTwice.apply(*(grad if grad is None else grad.requires_grad_()
                             for grad in grads))

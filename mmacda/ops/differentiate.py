"""The gradients of a call, by the backend that served it."""
from typing import Any, Callable, Optional, Sequence, Tuple

import torch
from torch import Tensor

from . import registered_op
from .autocast import call_as_given
from .backends import BACKENDS
from .geometry import ConvGeometry
from .tracing import ONCE, find_obstacle


def _has_no_memory(tensor: Tensor) -> bool:
    try:
        tensor.data_ptr()
    except RuntimeError:
        return True
    return False


# What torch.autograd.grad(..., is_grads_batched=True) hands over; older
# PyTorches cannot be asked.
_is_batched = getattr(torch._C._functorch, 'is_legacy_batchedtensor',
                      _has_no_memory)
Gradients = Tuple[Optional[Tensor], ...]


class _NotTwice(torch.autograd.Function):
    """Passes gradients on that have no derivative themselves.

    What they depend on comes along: autograd visits nothing else than the
    ways to the tensors that it was asked for.
    """

    @staticmethod
    def forward(ctx, count, *grads_and_sources):
        return tuple(grad if grad is None else grad.detach()
                     for grad in grads_and_sources[:count])

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError(ONCE)


def without_negation(tensor: Any) -> Any:
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
    return differentiate_memory(BACKENDS[name].backward, grad_output, tensors,
                                *tensors, geometry, needs)


def differentiate_memory(backward: Callable, grad_output: Tensor,
                         tensors: Sequence[Optional[Tensor]],
                         *arguments: Any) -> Gradients:
    """``backward(grad_output, *arguments)``, which reads memory itself.

    Args:
        backward (Callable): A backend's.
        grad_output (Tensor): Of the call's output.
        tensors (Sequence[Tensor, optional]): All those of the call.
        *arguments (Any): They and what else the backend takes.

    Raises:
        RuntimeError: If one of them is no memory to be read.
    """
    grad_output = without_negation(grad_output)
    reason = find_obstacle(grad_output, *tensors)
    if _is_batched(grad_output):
        reason = "gradients in batches need backend='reference'"
    if reason:
        raise RuntimeError(f'adaptive_conv2d has no such gradient: {reason}')
    with torch.no_grad():
        grads = call_as_given(backward, grad_output, *arguments)
    return once(grads, grad_output, *tensors)


def once(grads: Gradients, *tensors: Optional[Tensor]) -> Gradients:
    """The gradients, whose own derivatives end in an error.

    ``tensors`` are what the gradients were computed from: without a way to
    them ``torch.autograd.grad`` would call them unused.
    """
    if not torch.is_grad_enabled():
        return grads
    return _NotTwice.apply(len(grads), *grads, *tensors)

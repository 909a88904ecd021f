"""Whether tensors are memory to be read, or stand for something else.

Backends read raw memory, or write into it, where no operator of PyTorch's
sees it. That is right for plain tensors alone. Anything that records or
replaces operators (``make_fx``, FakeTensor, the meta device, subclasses with a
``__torch_dispatch__``) must be handed the registered operator; the transforms
of ``torch.func`` and forward-mode differentiation the reference, which is
made of PyTorch's own operators.
"""
from typing import Any, Optional

import torch
import torch.fx
from torch import Tensor
from torch.autograd import forward_ad

from .autocast import is_compiling

ONCE = ('adaptive_conv2d has no second derivatives on this backend: '
        "backend='reference' has them (also as an argument of ACDAConv)")
PLAIN_TYPES = frozenset((Tensor, torch.nn.Parameter, type(None)))

_count_modes = torch._C._len_torch_dispatch_stack
_is_transforming = getattr(torch._C, '_are_functorch_transforms_active',
                           lambda: False)


def is_symbolic(value: Any) -> bool:
    """Whether it is a value of ``torch.fx.symbolic_trace``: without a shape,
    so that there is nothing to check."""
    return isinstance(value, torch.fx.Proxy)


def hides_sizes(value: Any) -> bool:
    """Whether its sizes are no numbers to be checked: a value of
    ``symbolic_trace``, or TorchScript's tracer is at work, which would warn
    that they were read."""
    return torch.jit.is_tracing() or is_symbolic(value)


def is_recorded(first: Tensor, *others: Optional[Tensor]) -> bool:
    """Whether something records or replaces the operators of this call.

    The first tensor is on the device of the call.
    """
    if _count_modes() or first.is_meta:
        return True
    for tensor in (first, *others):
        if type(tensor) not in PLAIN_TYPES and _is_replaced(tensor):
            return True
    return False


def _is_replaced(tensor: Any) -> bool:
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def is_transformed() -> bool:
    """Whether torch.func's transforms or forward-mode AD are at work."""
    return _is_transforming() or forward_ad._current_level >= 0


def is_looked_at(*tensors: Optional[Tensor]) -> bool:
    """Whether anything but plain execution goes on.

    That is: a compiler, a tracer or an export, a transform, a subclass of
    Tensor, or whatever records or replaces operators. A shortcut past
    PyTorch's operators, or past modules, is for all other calls alone.
    """
    return torch.jit.is_tracing() or is_compiling() \
        or torch.onnx.is_in_onnx_export() or is_transformed() \
        or bool(_count_modes()) \
        or not all(map(is_plain, tensors))


def is_plain(tensor: Any) -> bool:
    """Whether it is a tensor of PyTorch's own with memory, or None."""
    return type(tensor) in PLAIN_TYPES and (tensor is None
                                            or not tensor.is_meta)


def find_obstacle(first: Tensor,
                  *others: Optional[Tensor]) -> Optional[str]:
    """Reason why the memory of tensors must not be read or written directly.

    None for plain, dense tensors: every other backend than the reference
    asks before it serves a call.
    """
    if is_transformed():
        return ("torch.func's transforms (vmap, grad, jvp) and forward-mode "
                "differentiation need backend='reference'")
    if is_recorded(first, *others):
        return ('something records or replaces its operators (a dispatch '
                'mode, a tensor subclass or the meta device)')
    for tensor in (first, *others):
        if tensor is not None and (tensor.layout is not torch.strided
                                   or tensor.is_neg()):
            return 'a tensor is sparse, or is to be negated when it is read'
    return None

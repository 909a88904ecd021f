"""Who is looking on: what autocast asks for, and torch.compile."""
from typing import Any, Callable, Optional

import torch

# Those that autocast knows; it refuses others, such as meta.
DEVICES = ('cpu', 'cuda')
# Operators that torch.compile and torch.export know: torch >= 2.4.
AVAILABLE = hasattr(torch.library, 'custom_op')


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is looking on."""
    return AVAILABLE and torch.compiler.is_compiling()


def autocast_dtype(device: str) -> Optional[torch.dtype]:
    """The dtype that autocast asks for on a device; None where it is off."""
    if device not in DEVICES:
        return None
    if hasattr(torch, 'get_autocast_dtype'):  # torch >= 2.4
        return torch.get_autocast_dtype(device) \
            if torch.is_autocast_enabled(device) else None
    if device == 'cuda' and torch.is_autocast_enabled():
        return torch.get_autocast_gpu_dtype()
    if device == 'cpu' and torch.is_autocast_cpu_enabled():
        return torch.get_autocast_cpu_dtype()
    return None


def cast_inputs(input: torch.Tensor,
                *others: Optional[torch.Tensor]) -> tuple:
    """The tensors in the dtype that autocast asks for; None stays None."""
    dtype = autocast_dtype(input.device.type)
    tensors = (input, *others)
    if dtype is None:
        return tensors
    return tuple(
        t.to(dtype) if t is not None and t.dtype != torch.float64 else t
        for t in tensors)


def call_as_given(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)`` in the dtypes of its arguments."""
    device = arguments[0].device.type
    if autocast_dtype(device) is None:
        return function(*arguments)
    with torch.autocast(device, enabled=False):
        return function(*arguments)

"""Who is looking on: what autocast asks for, and torch.compile."""
from functools import lru_cache
from typing import Any, Callable, Optional

import torch

# Those whose autocast every PyTorch has; others are asked for when met.
DEVICES = ('cpu', 'cuda')
# Operators that torch.compile and torch.export know: torch >= 2.4.
AVAILABLE = hasattr(torch.library, 'custom_op')


def is_compiling() -> bool:
    """Whether torch.compile or torch.export is looking on."""
    return AVAILABLE and torch.compiler.is_compiling()


@lru_cache(maxsize=None)
def _has_autocast(device: str) -> bool:
    """Whether a kind of device has autocast; PyTorch refuses others' name."""
    try:
        torch.is_autocast_enabled(device)
    except RuntimeError:
        return False
    return True


def autocast_dtype(device: str) -> Optional[torch.dtype]:
    """The dtype that autocast asks for on a device; None where it is off."""
    if not hasattr(torch, 'get_autocast_dtype'):  # torch < 2.4
        return _old_autocast_dtype(device)
    if device not in DEVICES and not _has_autocast(device):
        return None
    return torch.get_autocast_dtype(device) \
        if torch.is_autocast_enabled(device) else None


def _old_autocast_dtype(device: str) -> Optional[torch.dtype]:
    if device == 'cuda':
        enabled, dtype = (torch.is_autocast_enabled,
                          torch.get_autocast_gpu_dtype)
    else:  # as torch.is_autocast_xpu_enabled, or torch.npu.* of an extension
        extension = getattr(torch, device, None)
        enabled = getattr(torch, f'is_autocast_{device}_enabled',
                          getattr(extension, 'is_autocast_enabled', None))
        dtype = getattr(torch, f'get_autocast_{device}_dtype',
                        getattr(extension, 'get_autocast_dtype', None))
    return dtype() if enabled is not None and enabled() else None


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

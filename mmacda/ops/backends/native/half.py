"""Half precision maps, which the C code reads and writes as they are.

Its sums are float32, and so are weights and matrices, which are small.
"""
from typing import Dict, Optional

import torch
from torch import Tensor

# Of csrc/half.h.
STORAGES: Dict[torch.dtype, int] = {
    torch.float32: 0,
    torch.bfloat16: 1,
    torch.float16: 2
}
HALF = (torch.bfloat16, torch.float16)


def find_unserved(dtype: torch.dtype, storages: int) -> Optional[str]:
    """Reason why the library does not read maps of a dtype, or None.

    Args:
        dtype (torch.dtype): Of the maps.
        storages (int): Those that the library was compiled for, as bits.
    """
    if dtype not in STORAGES:
        return f'it computes in float32, but the input is {dtype}'
    if not storages >> STORAGES[dtype] & 1:
        return f'it was compiled for a CPU that cannot convert {dtype}'
    return None


def widen(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """A weight or matrix in float32."""
    return tensor if tensor is None else tensor.float()


def like(grad: Optional[Tensor], tensor: Optional[Tensor]):
    """A gradient in the dtype of what it belongs to."""
    return grad if grad is None or tensor is None else grad.to(tensor.dtype)

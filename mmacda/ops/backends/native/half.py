"""Half precision maps, which the C code reads and writes as they are.

Its sums are float32, and so are weights and matrices, which are small.
"""
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

# Of csrc/half.h.
STORAGES: Dict[torch.dtype, int] = {
    torch.float32: 0,
    torch.bfloat16: 1,
    torch.float16: 2
}
MOST_STEPS = 100  # tried for the distance of two taps
HALF = (torch.bfloat16, torch.float16)


def readable(storages: int, *maps: Tensor) -> Tuple[Tensor, ...]:
    """Maps as the library reads them: of one dtype, else in float32.

    Args:
        storages (int): The dtypes that it was compiled for, as bits: not
            every CPU converts float16.
        *maps (Tensor): All of the same dtype.
    """
    if storages >> STORAGES[maps[0].dtype] & 1:
        return maps
    return tuple(m.float() for m in maps)


def widen(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """A weight or matrix in float32."""
    return tensor if tensor is None else tensor.float()


def like(grad: Optional[Tensor], tensor: Optional[Tensor]):
    """A gradient in the dtype of what it belongs to."""
    return grad if grad is None or tensor is None else grad.to(tensor.dtype)


def pair_taps(offsets: Sequence[int]) -> Tuple[int, np.ndarray]:
    """Taps two by two, both at the same distance in every pair.

    A plane that holds every value beside the one at that distance then serves
    two taps by one read.

    Args:
        offsets (Sequence[int]): Of the taps, all different.

    Returns:
        Tuple[int, np.ndarray]: The distance that leaves the fewest pairs, and
        the taps of each, shape (2, pairs); -1 stands for none.
    """
    known = np.asarray(offsets)
    steps = np.unique(known[:, None] - known)
    steps = steps[steps > 0][:MOST_STEPS]
    best, fewest = 1, _pair(offsets, 1)
    for step in steps.tolist():
        found = _pair(offsets, step)
        if len(found) < len(fewest):
            best, fewest = step, found
    return best, np.array(fewest, np.int32).reshape(-1, 2).T


def _pair(offsets: Sequence[int], step: int) -> List[Tuple[int, int]]:
    index = {int(offset): tap for tap, offset in enumerate(offsets)}
    found, taken = [], set()
    for offset, tap in sorted(index.items()):
        if tap not in taken:
            other = index.get(offset + step, -1)
            taken.add(other)
            found.append((tap, other))
    return found

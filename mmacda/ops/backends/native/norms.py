"""A batch norm's scale and shift by one call, for small layers.

PyTorch's operators would take a dozen calls for what is a few hundred values.
"""
from typing import Optional

import torch
from torch import Tensor

from ...tracing import PLAIN_TYPES
from .shared_library import is_unavailable, library
from .plan import address


def fold_norm(weight: Optional[Tensor], mean: Tensor, variance: Tensor,
              gamma: Optional[Tensor], beta: Optional[Tensor],
              eps: float) -> Optional[Tensor]:
    """Scale and shift of a norm in evaluation, without gradients.

    Args:
        weight (Tensor, optional): W, shape (N, H, 1, 1).
        mean (Tensor): Running mean, shape (N, ).
        variance (Tensor): Running variance, shape (N, ).
        gamma (Tensor, optional): Shape (N, ).
        beta (Tensor, optional): Shape (N, ).
        eps (float): Of the norm.

    Returns:
        Tensor: (N, H + 1), the scaled weight and the shift; without a weight
        (2, N), scale and shift. None where PyTorch has to do it.
    """
    tensors = weight, mean, variance, gamma, beta
    if not all(map(is_readable, tensors)) or is_unavailable():
        return None
    rows = len(mean)
    columns = 0 if weight is None else weight.shape[1]
    out = mean.new_empty((2, rows) if weight is None else (rows, columns + 1))
    functions, _ = library()
    functions.mmacda_fold_norm(
        rows, columns, *(None if t is None else address(t) for t in tensors),
        eps, address(out))
    return out


def is_readable(tensor: Optional[Tensor]) -> bool:
    """Whether C can read a parameter as it is; None is none."""
    return tensor is None or (
        type(tensor) in PLAIN_TYPES and tensor.dtype is torch.float32
        and tensor.is_cpu and tensor.is_contiguous()
        and not tensor.is_neg())

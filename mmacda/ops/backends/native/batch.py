"""Both norms of an atom generator over a batch, by csrc/batch.h."""
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .plan import Plan, address


class Affine(NamedTuple):
    """What a batch norm multiplies and adds.

    Attributes:
        gamma (Tensor, optional): Shape (N, ).
        beta (Tensor, optional): Shape (N, ).
        eps (float): Of the norm.
    """
    gamma: Optional[Tensor]
    beta: Optional[Tensor]
    eps: float


class Batch(NamedTuple):
    """A batch's statistics, and both norms of a generator by them.

    Attributes:
        hidden_norm (Tensor): Shape (2, H), scale and shift of the first norm.
        matrix (Tensor): Shape (m * J, H + 1), the second convolution with
            its norm.
        saved (Tensor): Float64, what backward needs.
        moments (Tensor): Shape (2 H + 2 m J, ): means and unbiased variances
            of the first norm's maps, then of the second's.
    """
    hidden_norm: Tensor
    matrix: Tensor
    saved: Tensor
    moments: Tensor


def _address(tensor: Optional[Tensor]) -> Optional[int]:
    return None if tensor is None else address(tensor)


def measure(functions, launcher: Optional[int], plan: Plan,
            x: Optional[Tensor], first_weight: Optional[Tensor], maps: Tensor,
            weight: Tensor, first: Affine, second: Affine) -> Batch:
    """Statistics of a batch.

    Args:
        functions (ctypes.CDLL): The library.
        launcher (int, optional): Of its threads.
        plan (Plan): Of the adaptive convolution's call.
        x (Tensor, optional): Its input.
        first_weight (Tensor, optional): Of a pointwise first convolution,
            (H, C, 1, 1); then ``maps`` are made here.
        maps (Tensor): In front of the first norm, shape (B, H, Ho, Wo).
        weight (Tensor): Of the second convolution, (m * J, H, 1, 1).
        first (Affine): The norm in front of the hidden maps' Tanh.
        second (Affine): The norm behind the second convolution.
    """
    rows, hidden = weight.shape[:2]
    hidden_norm = maps.new_empty(2, hidden)
    matrix = maps.new_empty(rows, hidden + 1)
    saved = torch.empty(
        4 * hidden + 3 * rows + rows * hidden, dtype=torch.float64)
    moments = maps.new_empty(2 * (hidden + rows))
    threads = plan.threads()
    memory = plan.memory(functions.mmacda_batch_floats, threads)
    functions.mmacda_batch_norms(
        plan.address, _address(x), _address(first_weight), address(maps),
        address(weight), *map(_address, (first.gamma, first.beta,
                                         second.gamma, second.beta)),
        first.eps, second.eps, address(hidden_norm), address(matrix),
        address(saved), address(moments), address(memory), threads, launcher)
    return Batch(hidden_norm, matrix, saved, moments)


def differentiate(functions, launcher: Optional[int], plan: Plan,
                  grad_matrix: Tensor, grad_hidden: Optional[Tensor],
                  grad_x: Optional[Tensor], x: Optional[Tensor],
                  first_weight: Optional[Tensor], maps: Tensor,
                  weight: Tensor, first: Affine, second: Affine,
                  batch: Batch) -> Tuple:
    """Gradients of both norms and of the second convolution.

    Args:
        functions (ctypes.CDLL): The library.
        launcher (int, optional): Of its threads.
        plan (Plan): That of :func:`measure`.
        grad_matrix (Tensor): Rows as mmacda_generator_pitch says.
        grad_hidden (Tensor, optional): Of the hidden maps behind the Tanh;
            the gradient of ``maps`` is written over it, unless x is given.
        grad_x (Tensor, optional): That of x, to which is added.
        x (Tensor, optional): As in :func:`measure`.
        first_weight (Tensor, optional): Likewise.
        maps (Tensor): Likewise.
        weight (Tensor): Likewise.
        first (Affine): Likewise.
        second (Affine): Likewise.
        batch (Batch): What it returned.

    Returns:
        Tuple: Of the first weight, the first norm's gamma and beta, the
        weight, the second norm's gamma and beta; None where there is none.
    """
    grads = [
        None if t is None else torch.empty_like(t)
        for t in (first_weight, first.gamma, first.beta, weight,
                  second.gamma, second.beta)
    ]
    if grad_hidden is None:
        grads[:3] = None, None, None
    grad_first, gamma1, beta1, grad_weight, gamma2, beta2 = map(
        _address, grads)
    threads = plan.threads()
    memory = plan.memory(functions.mmacda_batch_backward_floats,
                         first_weight is not None, threads)
    functions.mmacda_batch_norms_backward(
        plan.address, address(grad_matrix), _address(grad_hidden),
        _address(x), _address(first_weight), address(maps), address(weight),
        *map(_address, (first.gamma, first.beta, second.gamma)),
        address(batch.hidden_norm), address(batch.saved), _address(grad_x),
        grad_first, grad_weight, gamma1, beta1, gamma2, beta2,
        address(memory), threads, launcher)
    return tuple(grads)

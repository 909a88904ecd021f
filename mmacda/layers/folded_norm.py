"""A pointwise convolution and its norm as one matrix, in training as well.

The statistics of ``v = W h`` over a batch follow from those of ``h``:
``mean(v) = W mean(h)`` and ``var(v) = diag(W Cov(h) W^T)``. So a batch norm
behind a pointwise convolution needs no pass over its output, which then need
not be in memory at all.
"""
from typing import Any, Dict, Optional, Sequence, Tuple

import torch
import torch.distributed as dist
import torch.nn as nn
from torch import Tensor

from ..ops.backends.native import norms

from ..ops.differentiate import once

# Elements of maps that are centred and multiplied at a time: 1 MB in float32.
CHUNK = 2**18


def fold_norm(weight: Tensor, bias: Optional[Tensor], norm: Any,
              maps: Tensor) -> Tensor:
    """``norm(W h + b)`` as one matrix applied to ``[h; 1]``.

    A norm in training updates its running statistics, as its forward does.

    Args:
        weight (Tensor): W, shape (N, H, 1, 1).
        bias (Tensor, optional): b, shape (N, ); only without a norm.
        norm (nn.Module): BatchNorm2d, SyncBatchNorm or Identity.
        maps (Tensor): h, shape (B, H, Ho, Wo), of one pixel at least.

    Returns:
        Tensor: Shape (N, H + 1), in float32 for a weight in half precision.
    """
    matrix = weight.flatten(1)
    if matrix.element_size() < 4:
        matrix = matrix.float()
    if type(norm) is nn.Identity:
        shift = weight.new_zeros(len(weight)) if bias is None else bias
        return torch.cat((matrix, shift[:, None]), 1)
    if norm.training or norm.running_mean is None:
        return _fold_batch(matrix, norm, maps)
    folded = _fold_at_once(weight, norm)
    if folded is not None:
        return folded
    scale, shift = _scale_and_shift(norm)
    return torch.cat((matrix * scale[:, None], shift[:, None]), 1)


def scale_and_shift(norm: Any) -> Tensor:
    """What a batch norm in evaluation does to its maps, shape (2, N)."""
    found = _fold_at_once(None, norm)
    return torch.stack(_scale_and_shift(norm)) if found is None else found


def _fold_at_once(weight: Optional[Tensor],
                  norm: Any) -> Optional[Tensor]:
    """By a call of C, where there are no gradients to keep track of."""
    if torch.is_grad_enabled():
        return None
    parameters, buffers = norm._parameters, norm._buffers
    return norms.fold_norm(weight, buffers['running_mean'],
                           buffers['running_var'], parameters['weight'],
                           parameters['bias'], norm.eps)


def _scale_and_shift(norm: Any) -> Tuple[Tensor, Tensor]:
    scale = torch.rsqrt(norm.running_var.float() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias


def _fold_batch(matrix: Tensor, norm: Any, maps: Tensor) -> Tensor:
    group = processes_of(norm)
    folded, mean, variance, count = _FoldBatchNorm.apply(
        maps, matrix, norm.weight, norm.bias, norm.eps, group)
    update_statistics((norm, ), (mean, variance * (count / (count - 1))))
    return folded


def processes_of(norm: Any) -> Any:
    """The processes that share a SyncBatchNorm's statistics, if any."""
    if not isinstance(norm, nn.SyncBatchNorm) or not norm.training \
            or not dist.is_available() or not dist.is_initialized():
        return None
    group = norm.process_group or dist.group.WORLD
    return group if dist.get_world_size(group) > 1 else None


@torch.no_grad()
def update_statistics(norms: Sequence[Any],
                      moments: Sequence[Tensor]) -> None:
    """Running statistics as _BatchNorm.forward keeps them.

    Args:
        norms (Sequence[nn.Module]): Of any number.
        moments (Sequence[Tensor]): Mean and unbiased variance of each.
    """
    by_factor: Dict[float, Tuple[list, list]] = {}
    counts = []
    for n, norm in enumerate(norms):
        if not (norm.training and norm.track_running_stats):
            continue
        buffers, factor = norm._buffers, norm.momentum
        count = buffers['num_batches_tracked']
        if count is not None:
            if factor is None:
                factor = 1 / (count.item() + 1)
            counts.append(count)
        old, new = by_factor.setdefault(factor or 0.0, ([], []))
        old += buffers['running_mean'], buffers['running_var']
        new += (m.to(o.dtype) for m, o in zip(moments[2 * n:], old[-2:]))
    if counts:  # all at once: a call takes longer than a small layer's sums
        torch._foreach_add_(counts, 1)
    for factor, (old, new) in by_factor.items():
        torch._foreach_lerp_(old, new, factor)


def moments(maps: Tensor) -> Tuple[int, Tensor, Tensor]:
    """Pixels, mean (H, ) and summed centred products (H, H) of maps.

    Each chunk is centred before it is multiplied, so that nothing cancels
    where the maps are far from zero, and chunks are summed in double.
    """
    batch, channels, height, width = maps.shape
    # On a device all at once: each chunk would cost a few launches.
    chunk = CHUNK if maps.device.type == 'cpu' else max(1, maps.numel())
    if maps.is_contiguous(memory_format=torch.channels_last):
        rows = maps.permute(0, 2, 3, 1).reshape(1, -1, channels)
        parts = [part.transpose(1, 2)
                 for part in rows.split(max(1, chunk // channels), 1)]
    else:
        planes = maps.flatten(2)
        parts = [
            part for images in planes.split(
                max(1, chunk // max(1, channels * height * width)))
            for part in images.split(max(1, chunk // channels), 2)
        ]
    counts, means, products = [], [], []
    for part in parts:
        part = part.float()
        mean = part.mean((0, 2))
        centred = part - mean[:, None]
        counts.append(part.shape[0] * part.shape[2])
        means.append(mean.double())
        products.append(
            torch.bmm(centred, centred.transpose(1, 2)).sum(0).double())
    return combine_moments(counts, means, products)


def combine_moments(counts: list, means: list, products: list) -> tuple:
    """The moments of several parts together."""
    if len(counts) == 1:
        return counts[0], means[0], products[0]
    count = sum(counts)
    weights = torch.tensor(counts, dtype=torch.float64,
                           device=means[0].device)
    stacked = torch.stack(means)
    mean = weights @ stacked / count
    apart = stacked - mean
    total = torch.stack(products).sum(0) + (apart * weights[:, None]).t(
    ) @ apart
    return count, mean, total


def _gather_moments(count: int, mean: Tensor, product: Tensor,
                    group: Any) -> tuple:
    size = len(mean)
    flat = torch.cat(
        (mean.new_tensor([count]), mean, product.flatten()))
    everyone = [torch.empty_like(flat)
                for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, flat, group=group)
    return combine_moments(
        [int(part[0]) for part in everyone],
        [part[1:1 + size] for part in everyone],
        [part[1 + size:].view(size, size) for part in everyone])


class _FoldBatchNorm(torch.autograd.Function):
    """Matrix of a pointwise convolution and a batch norm over the batch.

    All but the passes over the maps is done in double: it is small.
    """

    @staticmethod
    def forward(ctx, maps, matrix, gamma, beta, eps, group):
        with torch.no_grad():
            count, mean, product = moments(maps)
            if group is not None:
                count, mean, product = _gather_moments(
                    count, mean, product, group)
            wide = matrix.double()
            covariance = product / count
            spread = wide @ covariance
            variance = (spread * wide).sum(1).clamp_(min=0)
            inverse = torch.rsqrt(variance + eps)
            scale = inverse if gamma is None else inverse * gamma
            centre = wide @ mean
            shift = -scale * centre
            if beta is not None:
                shift = shift + beta
            folded = torch.cat(
                (wide * scale[:, None], shift[:, None]), 1).to(matrix.dtype)
        ctx.save_for_backward(maps, matrix, gamma, beta, mean, spread,
                              inverse)
        ctx.count, ctx.group = count, group
        ctx.mark_non_differentiable(centre, variance)
        return folded, centre, variance, count

    @staticmethod
    def backward(ctx, grad, *_):
        with torch.no_grad():
            grads = _FoldBatchNorm._differentiate(ctx, grad)
        return (*once(grads, grad, *ctx.saved_tensors[:4]), None, None)

    @staticmethod
    def _differentiate(ctx, grad):
        maps, matrix, gamma, beta, mean, spread, inverse = ctx.saved_tensors
        wide, grad = matrix.double(), grad.double()
        grad_matrix, grad_shift = grad[:, :-1], grad[:, -1]
        scale = inverse if gamma is None else inverse * gamma
        grad_scale = (grad_matrix * wide).sum(1) - grad_shift * (wide @ mean)
        grad_inverse = grad_scale if gamma is None else grad_scale * gamma
        grad_variance = -0.5 * grad_inverse * inverse**3
        pulled = grad_shift * scale
        result = (
            grad_matrix * scale[:, None] - pulled[:, None] * mean +
            2 * grad_variance[:, None] * spread)
        grad_maps = None
        if ctx.needs_input_grad[0]:
            grad_mean = -(pulled @ wide)
            grad_covariance = wide.t() @ (grad_variance[:, None] * wide)
            if ctx.group is not None:
                dist.all_reduce(grad_mean, group=ctx.group)
                dist.all_reduce(grad_covariance, group=ctx.group)
            # d mean / dh = 1 / n, d cov / dh = 2 (h - mean) / n.
            turned = 2 / ctx.count * grad_covariance
            constant = grad_mean / ctx.count - turned @ mean
            grad_maps = nn.functional.conv2d(
                maps, turned[:, :, None, None].to(maps.dtype),
                constant.to(maps.dtype))
        return (grad_maps, result.to(matrix.dtype),
                None if gamma is None else (grad_scale * inverse).to(
                    gamma.dtype),
                None if beta is None else grad_shift.to(beta.dtype))

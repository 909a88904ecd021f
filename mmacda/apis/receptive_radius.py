"""How far a network sees, which is the context that its tiles need."""
from typing import Optional

import torch
import torch.nn as nn

FARTHEST = 4096  # pixels


@torch.no_grad()
def receptive_radius(network: nn.Module, multiple: int) -> Optional[int]:
    """Pixels of the image beyond an output cell that take part in it.

    Where the network does not tell by an attribute ``receptive_radius``, it
    is tried out: where one half of an image is not a number, no output is
    that depends on it, whatever the weights.

    Args:
        network (nn.Module): In eval mode, from preprocessed images (B, 3, H,
            W) to a map (B, C, h, w).
        multiple (int): Multiple of the network's stride, in pixels.

    Returns:
        int, optional: The radius, up to the next multiple of the stride; None
        if every output depends on the whole image, or on more than
        ``FARTHEST`` pixels of it.
    """
    told = getattr(network, 'receptive_radius', None)
    if told is not None:
        return told
    like = next(network.parameters())
    half = -(-FARTHEST // multiple) * multiple
    radius = 0
    for nan in (slice(half), slice(half, None)):
        strip = torch.zeros(
            1, 3, multiple, 2 * half, dtype=like.dtype, device=like.device)
        strip[..., nan] = float('nan')
        reached = network(strip).isnan().flatten(0, 2).any(0)
        stride = strip.shape[-1] // reached.numel()
        cells = reached.nonzero()
        radius = max(
            radius, half - stride * int(cells.min()) if nan.start else
            stride * int(cells.max() + 1) - half)
    return radius if radius < half else None

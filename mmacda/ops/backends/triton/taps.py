"""Which taps the Triton kernels visit, and where those take their inputs."""
from functools import lru_cache
from typing import Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import make, outside

Taps = Tuple[Tuple[int, int, int], ...]  # rows, columns away; place


@lru_cache(maxsize=256)
def to_device(taps: Taps, device: torch.device) -> Tensor:
    """Three rows of int32, as the kernels read them.

    Complete when they are returned, for whatever stream.
    """
    return outside(make, np.array(taps).T, device, torch.int32)


def forward_taps(live: Sequence[int], kernel: int,
                 geometry: ConvGeometry) -> Taps:
    """From an output pixel times stride to the inputs that it sees."""
    (pad_h, pad_w), (dil_h, dil_w) = geometry.padding, geometry.dilation
    return tuple((tap // kernel * dil_h - pad_h, tap % kernel * dil_w - pad_w,
                  place) for place, tap in enumerate(live))


def backward_taps(forward: Taps, geometry: ConvGeometry, phase_h: int,
                  phase_w: int) -> Taps:
    """From every stride-th input pixel to the outputs that see it."""
    stride_h, stride_w = geometry.stride
    away = ((phase_h - dy, phase_w - dx, place) for dy, dx, place in forward)
    return tuple((dy // stride_h, dx // stride_w, place)
                 for dy, dx, place in away
                 if dy % stride_h == 0 and dx % stride_w == 0)

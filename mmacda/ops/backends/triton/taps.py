"""Which taps the Triton kernels visit, and where those take their inputs."""
from functools import lru_cache
from typing import List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ...geometry import ConvGeometry
from ..bases import find_live_taps

Taps = Tuple[Tuple[int, int, int], ...]  # rows, columns away; place


class Basis(NamedTuple):
    """Live taps, and psi there, (J, taps), with its transpose."""
    live: List[int]
    compose: Optional[Tensor]
    decompose: Optional[Tensor]


_bases = WeakTensorKeyDictionary()


def read_bases(atom_bases: Optional[Tensor], kernel: int) -> Basis:
    """What is known of a buffer of bases; read again when it has changed.

    Reading waits for the GPU.
    """
    if atom_bases is None:
        return Basis(find_live_taps(None, kernel), None, None)
    version = None if atom_bases.is_inference() else atom_bases._version
    known = _bases.get(atom_bases)
    if version is not None and known is not None and known[0] == version:
        return known[1]
    live = find_live_taps(atom_bases, kernel)
    psi = atom_bases.detach().flatten(1).float()[:, live].contiguous()
    basis = Basis(live, psi, psi.t().contiguous())
    _bases[atom_bases] = version, basis
    return basis


@lru_cache(maxsize=256)
def to_device(taps: Taps, device: torch.device) -> Tensor:
    """Three rows of int32, as the kernels read them."""
    table = torch.tensor(taps, dtype=torch.int32, device=device)
    return table.t().contiguous()


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

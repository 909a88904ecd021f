"""The Triton backend in which Z never leaves the chip.

As ``triton``, but one kernel runs the atom convolution and the coefficient
convolution, forward and for the gradient of the input. For float16 and
bfloat16, whose products tensor cores take. It serves where it is asked for by
name: the two have not been compared on a GPU.
"""
from functools import partial
from typing import Optional

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from .. import triton
from ..chunks import Chunk
from .call import Call
from .taps import Taps, to_device


class FusedCall(Call):
    """A call without memory for Z, but for the gradients that need it."""

    stores_features = False
    dtype = torch.float16

    def apply(self, source: Tensor, atoms: Tensor, taps: Taps, chunk: Chunk,
              first_atoms_row: int, step: tuple, follow: bool, weight: Tensor,
              target: Tensor) -> None:
        from .fused_kernel import launch
        launch(source, atoms, weight.contiguous(), target,
               to_device(taps, source.device), chunk.rows.start,
               first_atoms_row, step, follow)


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.dtype == torch.float32 and x.device.type == 'cuda':
        return ('its products are those of half precision, but the input is '
                f'{x.dtype}')
    return triton.can_run(x, alpha, atom_bases, weight, geometry) \
        or triton.try_device(x.device, FusedCall)


forward = partial(triton.forward, call_type=FusedCall)
backward = partial(triton.backward, call_type=FusedCall)

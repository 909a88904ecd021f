"""The Triton backend in which Z never leaves the chip. Deprecated.

As ``triton``, but one kernel runs the atom convolution and the coefficient
convolution, forward and for the gradient of the input. For float16 and
bfloat16, whose products tensor cores take. It serves where it is asked for by
name, with a warning: it is seven times slower on a GPU.
"""
from functools import lru_cache
from typing import Any, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from .. import triton


@lru_cache(maxsize=None)
def _family() -> Any:
    from .fused_kernel import FusedSteps
    return FusedSteps


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.dtype == torch.float32 and x.device.type == 'cuda':
        return ('its products are those of half precision, but the input is '
                f'{x.dtype}')
    return triton.can_run(x, alpha, atom_bases, weight, geometry) \
        or triton.try_device(x.device, x.dtype, _family())


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) without bias, in channels-last memory."""
    return triton.forward(
        x, alpha, atom_bases, weight, geometry, family=_family())


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    return triton.backward(
        grad_output, x, alpha, atom_bases, weight, geometry, needs,
        family=_family())

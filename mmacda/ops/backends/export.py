"""The basis-first form: made of convolutions and one matrix product.

For exporters and runtimes that know neither unfold nor our operator. The
fixed bases filter every channel first, and the coefficients mix the J results;
Eq. 4 and 5 in the other order. Autograd differentiates it.
"""
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from ..reference import kernel_size_of


def adaptive_conv2d(input: Tensor,
                    basis_coefficients: Tensor,
                    atom_bases: Optional[Tensor],
                    weight: Tensor,
                    bias: Optional[Tensor] = None,
                    stride=1,
                    padding=0,
                    dilation=1,
                    groups: int = 1) -> Tensor:
    """Takes and returns what :func:`mmacda.ops.adaptive_conv2d` does."""
    num_bases = basis_coefficients.shape[2]
    if atom_bases is None:  # direct atoms: the taps are the bases
        kernel = kernel_size_of(num_bases)
        num_bases = kernel**2
        atom_bases = torch.eye(
            num_bases, dtype=input.dtype,
            device=input.device).reshape(num_bases, kernel, kernel)
    channels, (height, width) = input.shape[1], input.shape[2:]
    out_size = basis_coefficients.shape[3:]
    features = F.conv2d(
        input.reshape(-1, 1, height, width),
        atom_bases[:, None].to(input.dtype), None, stride, padding, dilation)
    features = features.reshape(-1, channels, num_bases, *out_size)
    # (C, J) @ (J, m) at every pixel.
    features = torch.matmul(
        features.permute(0, 3, 4, 1, 2),
        basis_coefficients.permute(0, 3, 4, 2, 1))
    features = features.flatten(3).permute(0, 3, 1, 2)
    return F.conv2d(features, weight, bias, groups=groups)

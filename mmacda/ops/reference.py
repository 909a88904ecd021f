"""The definition of the adaptive convolution, slow and obvious.

Two forms that are equal in exact arithmetic: :func:`adaptive_conv2d_filters`
rebuilds the full filter of every pixel (Eq. 2), :func:`adaptive_conv2d`
filters with the atoms first and composes afterwards (Eq. 5 and 6). Every
backend is tested against this file. It is never optimised.
"""
import warnings
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor


def compose_atoms(basis_coefficients: Tensor,
                  atom_bases: Optional[Tensor]) -> Tensor:
    """Filter atoms D of every pixel from their basis coefficients (Eq. 4).

    Args:
        basis_coefficients (Tensor): alpha, shape (B, m, J, Ho, Wo).
        atom_bases (Tensor, optional): psi, shape (J, k, k). None means that
            the coefficients are the taps of the atoms, with J = k * k.

    Returns:
        Tensor: D, shape (B, m, k * k, Ho, Wo).
    """
    if atom_bases is None:
        return basis_coefficients
    bases = atom_bases.flatten(1).to(basis_coefficients.dtype)
    atoms = torch.matmul(basis_coefficients.movedim(2, -1), bases)
    return atoms.movedim(-1, 2)


def _patches(x: Tensor, kernel: int, stride, padding, dilation,
             out_size) -> Tensor:
    columns = F.unfold(x, kernel, dilation, padding, stride)
    return columns.reshape(x.shape[0], x.shape[1], kernel * kernel, *out_size)


def kernel_size_of(num_taps: Any) -> int:
    """k of k * k taps. No input decides it: where TorchScript's tracer gives a
    tensor, its warning would be a false alarm."""
    if not isinstance(num_taps, Tensor):
        return round(int(num_taps)**0.5)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        return round(int(num_taps)**0.5)


def adaptive_conv2d_filters(input: Tensor,
                            basis_coefficients: Tensor,
                            atom_bases: Optional[Tensor],
                            weight: Tensor,
                            bias: Optional[Tensor] = None,
                            stride=1,
                            padding=0,
                            dilation=1,
                            groups: int = 1) -> Tensor:
    """Adaptive convolution by rebuilding every pixel's filters (Eq. 2).

    Takes and returns what :func:`mmacda.ops.adaptive_conv2d` does. Its memory
    grows with C_out * C_in * k * k per pixel: for small sizes only.
    """
    atoms = compose_atoms(basis_coefficients, atom_bases)
    batch, num_atoms, num_taps, height, width = atoms.shape
    out_channels = weight.shape[0]
    composition = weight.reshape(groups, out_channels // groups, -1, num_atoms)
    filters = torch.einsum('gocm,bmthw->bgocthw', composition, atoms)
    patches = _patches(input, kernel_size_of(num_taps), stride, padding,
                       dilation, (height, width))
    patches = patches.unflatten(1, (groups, -1))
    output = torch.einsum('bgocthw,bgcthw->bgohw', filters, patches)
    output = output.reshape(batch, out_channels, height, width)
    return output if bias is None else output + bias[:, None, None]


def adaptive_conv2d(input: Tensor,
                    basis_coefficients: Tensor,
                    atom_bases: Optional[Tensor],
                    weight: Tensor,
                    bias: Optional[Tensor] = None,
                    stride=1,
                    padding=0,
                    dilation=1,
                    groups: int = 1) -> Tensor:
    """Adaptive convolution in two layers (Eq. 5 and 6), by unfolding.

    Takes and returns what :func:`mmacda.ops.adaptive_conv2d` does. This is
    the way of the authors' release, made of unfold and matrix products.
    """
    atoms = compose_atoms(basis_coefficients, atom_bases)
    batch, num_atoms, num_taps, height, width = atoms.shape
    patches = _patches(input, kernel_size_of(num_taps), stride, padding,
                       dilation, (height, width))
    # Atom convolution, Eq. 5: (C, taps) @ (taps, m) at every pixel.
    features = torch.matmul(
        patches.permute(0, 3, 4, 1, 2), atoms.permute(0, 3, 4, 2, 1))
    features = features.flatten(3).permute(0, 3, 1, 2)
    # Coefficient convolution, Eq. 6.
    return F.conv2d(features, weight, bias, groups=groups)


def generate_coefficients(hidden: Tensor, matrix: Tensor, num_atoms: int,
                          tanh: bool = True) -> Tensor:
    """Basis coefficients of every pixel from its hidden values (Section A.3).

    Args:
        hidden (Tensor): h, shape (B, H, Ho, Wo).
        matrix (Tensor): Shape (m * J, H + 1), applied to [h; 1].
        num_atoms (int): m.
        tanh (bool): Whether Tanh follows. Default: True.

    Returns:
        Tensor: alpha, shape (B, m, J, Ho, Wo).
    """
    ones = torch.ones_like(hidden[:, :1])
    alpha = torch.einsum('nh,bhyx->bnyx', matrix,
                         torch.cat((hidden, ones), 1))
    alpha = alpha.tanh() if tanh else alpha
    return alpha.unflatten(1, (num_atoms, alpha.shape[1] // num_atoms))

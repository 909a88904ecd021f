"""The warm start: an adaptive layer that begins as a given convolution."""
from typing import NamedTuple, Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .acda_conv import ACDAConv

# The largest coefficient: tanh keeps three quarters of its slope there.
PEAK_COEFFICIENT = 0.5
# Directions of the bases below this share of the largest are rounding noise.
RANK_TOLERANCE = 1e-4


class Projection(NamedTuple):
    """The best constant atoms for a set of filters.

    Attributes:
        coefficients (Tensor): alpha, shape (m, J).
        composition (Tensor): A, shape (N, m).
        energy (float): Share of the filters' squared norm that is kept.
    """
    coefficients: Tensor
    composition: Tensor
    energy: float


def project_filters(filters: Tensor, atom_bases: Optional[Tensor],
                    num_atoms: int) -> Projection:
    """Best approximation of filters by a few atoms in the span of the bases.

    Minimises ``|filters - composition @ coefficients @ atom_bases|`` in the
    Frobenius norm: the atoms are the leading right singular vectors of the
    filters projected on the span of the bases, which need not be orthogonal.
    Atoms beyond the rank of the bases repeat the others and start unused
    (zero composition).

    Args:
        filters (Tensor): Shape (N, k, k).
        atom_bases (Tensor, optional): psi, shape (J, k, k). None means direct
            atoms, where the coefficients are the taps, J = k * k.
        num_atoms (int): m.

    Returns:
        Projection: In float64, with the largest coefficient at 0.5 in
        magnitude.
    """
    filters = filters.double().flatten(1)
    bases = torch.eye(filters.shape[1]).to(filters) if atom_bases is None \
        else atom_bases.to(filters).flatten(1)
    left, sizes, span = torch.linalg.svd(bases, full_matrices=False)
    rank = int((sizes > RANK_TOLERANCE * sizes[0]).sum())
    left, sizes, span = left[:, :rank], sizes[:rank], span[:rank]
    inside = filters @ span.T
    # The Gram matrix is at most J x J, however many filters there are.
    directions = torch.linalg.eigh(inside.T @ inside).eigenvectors.flip(1).T
    directions = directions[:num_atoms]
    coefficients = directions / sizes @ left.T
    composition = inside @ directions.T
    total = filters.square().sum()
    energy = (composition.square().sum() / total).item() if total else 1.0
    peaks = coefficients.abs().amax(1) / PEAK_COEFFICIENT
    coefficients = coefficients / peaks[:, None]
    composition = composition * peaks
    used = torch.arange(num_atoms, device=filters.device)
    spare = max(0, num_atoms - len(directions))
    return Projection(coefficients[used % len(directions)],
                      F.pad(composition, (0, spare)), energy)


@torch.no_grad()
def project_conv(conv: nn.Conv2d, layer: ACDAConv) -> float:
    """Initialize an adaptive layer from the convolution that it replaces.

    The atom generator starts constant, so that the layer is at first a plain
    convolution: ``conv`` itself where the atoms span its filters, otherwise
    its best approximation.

    Args:
        conv (nn.Conv2d): Its weight and bias are read.
        layer (ACDAConv): Of the same channels, groups and kernel size; its
            support may be larger. Changed in place.

    Returns:
        float: Share of the squared norm of the filters that is kept, in
        [0, 1].

    Raises:
        TypeError: If the layer or its atom generator has no warm start.
        ValueError: If the layer does not fit the convolution, or its
            generator's last norm or activation allows no constant start.
    """
    if not isinstance(layer, ACDAConv) or layer.pointwise:
        raise TypeError("init='project' is for ACDAConv with a kernel larger "
                        f'than 1 x 1, but got {layer}')
    init_constant = getattr(layer.atom_generator, 'init_constant', None)
    if init_constant is None:
        raise TypeError(
            "init='project' needs an atom generator with a method "
            'init_constant(coefficients), which '
            f'{type(layer.atom_generator).__name__} lacks')
    for name in ('in_channels', 'out_channels', 'groups', 'kernel_size'):
        if getattr(conv, name) != getattr(layer, name):
            raise ValueError(
                f'{name} of the convolution ({getattr(conv, name)}) and of '
                f'the layer ({getattr(layer, name)}) differ')
    margin = (layer.support - conv.kernel_size[0]) // 2
    filters = F.pad(conv.weight.flatten(0, 1), (margin, ) * 4)
    bases = None if layer.bases is None \
        else torch.from_numpy(layer.bases.fixed.values.copy())
    projection = project_filters(filters, bases, layer.num_atoms)
    # Rows are (c_out, c_in), so that the channel index is c_in * m + atom.
    layer.weight.copy_(projection.composition.reshape(layer.weight.shape))
    if layer.bias is not None and conv.bias is not None:
        layer.bias.copy_(conv.bias)
    init_constant(projection.coefficients.flatten())
    return projection.energy

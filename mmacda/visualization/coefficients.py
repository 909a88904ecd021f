"""What basis coefficients say: scales, filters, likeness of pixels."""
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..layers import ACDAConv
from ..ops.reference import compose_atoms

Pixel = Tuple[int, int]


def basis_scales(layer: ACDAConv) -> Tuple[int, ...]:
    """The scale of every basis element, read from the bases themselves.

    Args:
        layer (ACDAConv): With J coefficients per atom.

    Returns:
        Tuple[int, ...]: J scales: the side in pixels of the smallest centred
        square that holds the element. Direct atoms have one element per tap,
        and the scales 1, 3, ..., k.
    """
    half = layer.support // 2
    offsets = torch.arange(-half, half + 1).abs()
    sides = 2 * torch.maximum(offsets[:, None], offsets) + 1
    if layer.atom_bases is None:
        return tuple(sides.flatten().tolist())
    bases = layer.atom_bases.detach().cpu().abs()
    # An element is zero outside its scale up to the rounding of its zeros.
    held = bases > 1e-6 * bases.amax((1, 2), keepdim=True)
    return tuple((held * sides).amax((1, 2)).tolist())


def scale_energies(layer: ACDAConv,
                   coefficients: Tensor) -> Dict[int, Tensor]:
    """Energy of the basis coefficients at each scale (Figure 7).

    Args:
        layer (ACDAConv): Where they come from.
        coefficients (Tensor): alpha, shape (B, m, J, Ho, Wo).

    Returns:
        Dict[int, Tensor]: Scale in pixels, rising, to the sum of the squared
        coefficients of that scale over atoms and elements, shape (B, Ho, Wo).
        Over scales they sum to the energy of all coefficients.
    """
    scales = torch.tensor(basis_scales(layer))
    energy = coefficients.square().sum(1)
    return {
        scale: energy[:, (scales == scale).to(energy.device)].sum(1)
        for scale in scales.unique().tolist()
    }


def atoms_of(layer: ACDAConv, coefficients: Tensor) -> Tensor:
    """The filter atoms D = alpha psi of one pixel (Eq. 4).

    Args:
        layer (ACDAConv): Where the coefficients come from.
        coefficients (Tensor): alpha at the pixel, shape (m, J).

    Returns:
        Tensor: Shape (m, k, k).
    """
    atoms = compose_atoms(coefficients[None, ..., None, None],
                          layer.atom_bases)
    return atoms.reshape(-1, layer.support, layer.support)


def compose_filters(layer: ACDAConv,
                    atoms: Tensor,
                    out_channels: Optional[Sequence[int]] = None,
                    in_channels: Optional[Sequence[int]] = None) -> Tensor:
    """The composed filters of one pixel, W = A D (Eq. 2).

    Args:
        layer (ACDAConv): Whose composition coefficients A are used.
        atoms (Tensor): D at the pixel, shape (m, k, k).
        out_channels (Sequence[int], optional): Default: None, all.
        in_channels (Sequence[int], optional): Within the group of the output
            channel. Default: None, all C / groups.

    Returns:
        Tensor: Shape (outs, ins, k, k).
    """
    composition = layer.weight.detach().reshape(layer.out_channels, -1,
                                                layer.num_atoms)
    if out_channels is not None:
        composition = composition[list(out_channels)]
    if in_channels is not None:
        composition = composition[:, list(in_channels)]
    return torch.einsum('ocm,mhw->ochw', composition, atoms)


class FilterMetric(NamedTuple):
    """Inner product of composed filters, on their basis coefficients.

    <W(p), W(q)> = sum over a, b, j, l of atoms[a, b] bases[j, l]
    alpha(p)[a, j] alpha(q)[b, l]: the filters need not be composed.

    Args:
        atoms (Tensor): A summed over channels, A^T A, shape (m, m).
        bases (Tensor): psi psi^T, shape (J, J).
    """
    atoms: Tensor
    bases: Tensor

    @classmethod
    def of(cls, layer: ACDAConv) -> 'FilterMetric':
        """The metric of a layer."""
        composition = layer.weight.detach().reshape(-1, layer.num_atoms)
        if layer.atom_bases is None:
            bases = torch.eye(layer.num_coefficients).to(composition)
        else:
            bases = layer.atom_bases.flatten(1)
            bases = (bases @ bases.T).to(composition)
        return cls(composition.T @ composition, bases)


def tap_energy(layer: ACDAConv, atoms: Tensor) -> Tensor:
    """Energy of all composed filters of one pixel at each tap.

    The receptive field that the layer gives to this pixel: its filters taken
    as they are, without what their generator looks at.

    Args:
        layer (ACDAConv): Where the atoms come from.
        atoms (Tensor): D at the pixel, shape (m, k, k).

    Returns:
        Tensor: Sum of the squared filters over output and input channels,
        shape (k, k).
    """
    return torch.einsum('ahw,ab,bhw->hw', atoms,
                        FilterMetric.of(layer).atoms, atoms).clamp(min=0)


def filter_similarity(layer: ACDAConv, coefficients: Tensor,
                      pixel: Pixel) -> Tensor:
    """Cosine between the composed filters of one pixel and of every pixel.

    Args:
        layer (ACDAConv): Where the coefficients come from.
        coefficients (Tensor): alpha of one image, shape (m, J, Ho, Wo).
        pixel (Tuple[int, int]): Row and column.

    Returns:
        Tensor: In [-1, 1], shape (Ho, Wo); 0 where a pixel's filters are
        zero.
    """
    metric = FilterMetric.of(layer)
    alpha = coefficients.flatten(2)
    dual = torch.einsum('ab,bjn,jl->aln', metric.atoms, alpha, metric.bases)
    norms = (dual * alpha).sum((0, 1)).clamp(min=0).sqrt()
    index = pixel[0] * coefficients.shape[-1] + pixel[1]
    products = torch.einsum('aj,ajn->n', dual[..., index], alpha)
    scale = norms * norms[index]
    cosine = torch.where(scale > 0, products / scale, torch.zeros_like(scale))
    return cosine.clamp(-1, 1).reshape(coefficients.shape[-2:])


def similar_pixels(layer: ACDAConv,
                   coefficients: Tensor,
                   pixel: Pixel,
                   count: int = 8,
                   radius: int = 2) -> List[Tuple[Pixel, float]]:
    """The pixels whose composed filters are most like those of a pixel.

    Neighbours see nearly the same input: of pixels within ``radius`` of each
    other, in rows and columns, only the best is kept.

    Args:
        layer (ACDAConv): Where the coefficients come from.
        coefficients (Tensor): alpha of one image, shape (m, J, Ho, Wo).
        pixel (Tuple[int, int]): Row and column.
        count (int): Pixels to return, fewer if there are not so many.
            Default: 8.
        radius (int): In pixels of the layer. Default: 2.

    Returns:
        List[Tuple[Tuple[int, int], float]]: Row and column, and the cosine,
        falling.
    """
    cosine = filter_similarity(layer, coefficients, pixel).clone()
    found: List[Tuple[Pixel, float]] = []
    taken = pixel
    while len(found) < count:
        cosine[max(0, taken[0] - radius):taken[0] + radius + 1,
               max(0, taken[1] - radius):taken[1] + radius + 1] = -2
        best = cosine.argmax().item()
        taken = divmod(best, cosine.shape[1])
        if cosine[taken] < -1:
            break
        found.append((taken, cosine[taken].item()))
    return found

"""What the explorer's page holds of each layer, and in how few bytes."""
import base64
from typing import Any, Dict, List, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...layers import ACDAConv
from ..capture import CapturedLayer
from ..coefficients import FilterMetric, basis_scales


class Storage(NamedTuple):
    """How the coefficients of a layer are stored.

    Args:
        bits (int): 16 or 8 per coefficient.
        step (int): Every how many rows and columns.
    """
    bits: int = 16
    step: int = 1

    def smaller(self) -> 'Storage':
        """The next step down: 8 bits first, then half the resolution."""
        return Storage(8) if self.bits == 16 else Storage(8, self.step * 2)

    def size(self, coefficients: Tensor) -> int:
        """Bytes in the page, in base64."""
        height, width = (-(-n // self.step) for n in coefficients.shape[-2:])
        count = coefficients.shape[0] * coefficients.shape[1]
        return height * width * count * self.bits // 8 * 4 // 3 + 4


def choose_storage(coefficients: Dict[str, Tensor],
                   budget: int) -> Dict[str, Storage]:
    """The most exact storage of all layers that fits.

    Args:
        coefficients (Dict[str, Tensor]): Layer to alpha, (m, J, Ho, Wo).
        budget (int): Bytes in the page.

    Raises:
        ValueError: If not even one pixel per layer fits.
    """
    chosen = {name: Storage() for name in coefficients}
    while True:
        sizes = {name: storage.size(coefficients[name])
                 for name, storage in chosen.items()}
        if sum(sizes.values()) <= budget:
            return chosen
        largest = max(sizes, key=sizes.get)
        if chosen[largest].step >= max(coefficients[largest].shape[-2:]):
            raise ValueError(f'{len(chosen)} layers do not fit into the page: '
                             'choose fewer of them, or fewer channels')
        chosen[largest] = chosen[largest].smaller()


def encode(array: np.ndarray) -> str:
    """Little-endian bytes in base64."""
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == '>':
        array = array.astype(array.dtype.newbyteorder('<'))
    return base64.b64encode(array.tobytes()).decode('ascii')


def quantise(coefficients: Tensor, storage: Storage) -> tuple:
    """Coefficients as integers times a unit.

    Args:
        coefficients (Tensor): alpha, shape (m, J, Ho, Wo).
        storage (Storage): How.

    Returns:
        tuple: Integers of shape (rows, columns, m * J), and the unit; the
        error is at most half of it.
    """
    kept = coefficients[..., ::storage.step, ::storage.step]
    values = kept.flatten(0, 1).permute(1, 2, 0).double().cpu().numpy()
    limit = 2**(storage.bits - 1) - 1
    unit = float(np.abs(values).max()) / limit or 1.
    integers = np.round(values / unit)
    return integers.astype(f'<i{storage.bits // 8}'), unit


def strongest(energy: Tensor, count: int) -> List[int]:
    """Indices of the largest values, rising."""
    return sorted(energy.topk(min(count, len(energy))).indices.tolist())


def layer_data(name: str, captured: CapturedLayer, storage: Storage,
               max_channels: int) -> Dict[str, Any]:
    """One layer for the page.

    Args:
        name (str): Its name.
        captured (CapturedLayer): Of a single image.
        storage (Storage): How its coefficients are stored.
        max_channels (int): Output, and input, channels whose composition
            coefficients are stored: those with the largest.
    """
    layer, alpha, input_size = captured
    integers, unit = quantise(alpha[0], storage)
    metric = FilterMetric.of(layer)
    composition = layer.weight.detach().float().cpu().reshape(
        layer.out_channels, -1, layer.num_atoms)
    energy = composition.square().sum(2)
    outs = strongest(energy.sum(1), max_channels)
    ins = strongest(energy.sum(0), max_channels)
    return dict(
        name=name,
        size=list(alpha.shape[-2:]),
        stored=dict(
            rows=integers.shape[0], columns=integers.shape[1],
            step=storage.step, bits=storage.bits, unit=unit,
            data=encode(integers)),
        atoms=layer.num_atoms,
        support=layer.support,
        scales=list(basis_scales(layer)),
        bases=encode(_bases(layer).numpy().astype('<f4')),
        outs=outs, ins=ins,
        channels=[layer.out_channels, composition.shape[1]],
        groups=layer.groups,
        composition=encode(
            composition[outs][:, ins].numpy().astype('<f4')),
        atomMetric=metric.atoms.double().cpu().flatten().tolist(),
        baseMetric=metric.bases.double().cpu().flatten().tolist(),
        kernel=layer.kernel_size[0],
        stride=list(layer.stride), padding=list(layer.padding),
        dilation=list(layer.dilation), inputSize=list(input_size))


def _bases(layer: ACDAConv) -> Tensor:
    if layer.atom_bases is None:
        return torch.eye(layer.num_coefficients)
    return layer.atom_bases.detach().float().cpu().flatten(1)

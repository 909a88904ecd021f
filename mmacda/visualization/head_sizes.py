"""Does ACDA choose larger scales for larger heads? (Section 4.2, Figure 7)"""
from typing import Dict, Iterable, NamedTuple

import numpy as np
import torch
import torch.nn as nn
from matplotlib.figure import Figure
from torch import Tensor

from .capture import CapturedLayer, CoefficientCapture, Layers
from .coefficients import scale_energies
from .figures import new_figure
from .look import COLOURS, MARKERS, in_one_look

BINS = 8  # of equally many heads
TICKS = (4, 8, 16, 32, 64)  # pixels


class HeadScales(NamedTuple):
    """What one layer does at every head.

    Attributes:
        scales (ndarray): (S, ) sides of the bases in pixels of its input.
        shares (ndarray): (N, S) share of each scale in the energy of the
            basis coefficients at the head's pixel.
    """
    scales: np.ndarray
    shares: np.ndarray

    @property
    def mean_scale(self) -> np.ndarray:
        """(N, ) scale at each head, averaged by energy."""
        return self.shares @ self.scales


def shares_at(captured: CapturedLayer, points: Tensor,
              padded_size: tuple) -> HeadScales:
    """Shares of the scales where given points of an image fall.

    Args:
        captured (CapturedLayer): Of one image.
        points (Tensor): (N, 2) x and y in pixels of the image; those outside
            it are taken at its border.
        padded_size (tuple): Height and width of the network's input.
    """
    energies = scale_energies(captured.layer, captured.coefficients)
    maps = torch.stack([energy[0] for energy in energies.values()])
    maps = maps / maps.sum(0).clamp(min=1e-30)
    x, y = (
        (points[:, axis].cpu() * cells / length).long().clamp(0, cells - 1)
        for axis, cells, length in zip(
            (0, 1), maps.shape[:0:-1], padded_size[::-1]))
    return HeadScales(
        np.array(list(energies)), maps.cpu()[:, y, x].t().double().numpy())


@torch.no_grad()
def scales_at_heads(model: nn.Module,
                    images: Iterable[dict],
                    layers: Layers = None) -> Dict[str, HeadScales]:
    """Shares of the scales at every head of a dataset.

    Args:
        model (nn.Module): A counting model with adaptive layers, in
            evaluation mode.
        images (Iterable[dict]): Samples of a counting pipeline that ends in
            PackCrowdInputs, with ``gt_points``.
        layers (str | Sequence[str], optional): See :func:`find_layers`.
            Default: None, all.

    Returns:
        dict[str, HeadScales]: By layer, heads in the order of the images.
    """
    found: Dict[str, list] = {}
    with CoefficientCapture(model, layers) as captured:
        for sample in images:
            data = model.data_preprocessor(
                dict(
                    inputs=[sample['inputs']],
                    data_samples=[sample['data_samples']]))
            model(**data, mode='tensor')
            for name, layer in captured.items():
                found.setdefault(name, []).append(
                    shares_at(layer, sample['data_samples'].gt_points,
                              tuple(data['inputs'].shape[-2:])))
    return {
        name: HeadScales(parts[0].scales,
                         np.concatenate([part.shares for part in parts]))
        for name, parts in found.items()
    }


@in_one_look
def draw_head_scales(sizes: np.ndarray, layers: Dict[str, HeadScales],
                     correlations: Dict[str, float]) -> Figure:
    """Median share of each scale against the size of the head.

    Args:
        sizes (ndarray): (N, ) heights of the heads in pixels.
        layers (dict[str, HeadScales]): A panel for each.
        correlations (dict[str, float]): Shown over the panels: rank
            correlation of ``mean_scale`` and size.
    """
    figure = new_figure(3.4 * len(layers), 3.2)
    axes = figure.subplots(1, len(layers), squeeze=False, sharey=True)[0]
    parts = np.array_split(np.argsort(sizes), min(BINS, len(sizes)))
    centres = [np.median(sizes[part]) for part in parts]
    for axis, (name, layer) in zip(axes, layers.items()):
        for n, (scale, shares) in enumerate(
                zip(layer.scales, layer.shares.T)):
            colour = COLOURS[n % len(COLOURS)]
            low, middle, high = np.array(
                [np.quantile(shares[part], (0.25, 0.5, 0.75))
                 for part in parts]).T
            axis.plot(centres, middle, MARKERS[n % len(MARKERS)] + '-',
                      color=colour,
                      label=f'scale {scale}')
            axis.fill_between(centres, low, high, color=colour, alpha=0.2)
        axis.set_title(f'{name}\nrank correlation '
                       f'{correlations[name]:+.2f}')
        axis.set_xscale('log')
        axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
        axis.minorticks_off()
        axis.set_xlabel('height of the head in pixels')
        axis.grid()
    axes[0].set_ylabel('share of the energy\n(median; band: quartiles)')
    most = max(axes, key=lambda axis: len(axis.lines))
    most.legend()
    return figure

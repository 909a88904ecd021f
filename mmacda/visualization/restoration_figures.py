"""Restored photographs beside each other, and maps of their noise."""
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .figures import new_figure
from .look import AMOUNT, COLOURS, in_one_look

CELL = 2.1  # inches


class CropRow(NamedTuple):
    """One photograph of :func:`draw_crops`.

    Args:
        photograph (np.ndarray): The whole picture, uint8 RGB (H, W, 3).
        corner (Tuple[int, int]): Top and left pixel of the crop.
        versions (Dict[str, np.ndarray]): Title and picture, of the same
            shape as ``photograph``.
        notes (Dict[str, str]): Line below the crops of some titles.
    """

    photograph: np.ndarray
    corner: Tuple[int, int]
    versions: Dict[str, np.ndarray]
    notes: Dict[str, str]


@in_one_look
def draw_crops(rows: Sequence[CropRow], side: int, title: str) -> Figure:
    """Each photograph with a frame, and what is in the frame, side by side.

    Args:
        rows (Sequence[CropRow]): One or more, with the same titles.
        side (int): Side of the crops in pixels.
        title (str): Above everything.
    """
    titles = list(rows[0].versions)
    figure = new_figure(CELL * (len(titles) + 1.35), CELL * 1.16 * len(rows)
                        + 0.4)
    axes = figure.subplots(
        len(rows),
        len(titles) + 1,
        squeeze=False,
        width_ratios=[1.35] + [1] * len(titles))
    for index, (row, line) in enumerate(zip(rows, axes)):
        top, left = row.corner
        _show(line[0], row.photograph)
        line[0].set_xlabel(f'frame: {side} x {side} pixels')
        line[0].add_patch(
            Rectangle((left - 0.5, top - 0.5),
                      side,
                      side,
                      fill=False,
                      linewidth=1.5,
                      edgecolor=COLOURS[1]))
        for name, axis in zip(titles, line[1:]):
            crop = row.versions[name][top:top + side, left:left + side]
            _show(axis, crop)
            axis.set_xlabel(row.notes.get(name, ''))
            if index == 0:
                axis.set_title(name)
    figure.suptitle(title)
    return figure


@in_one_look
def draw_noise_level(noisy: np.ndarray,
                     predicted: np.ndarray,
                     measured: Optional[np.ndarray] = None) -> Figure:
    """A noisy photograph and its map of the noise's standard deviation.

    Args:
        noisy (np.ndarray): uint8 RGB (H, W, 3).
        predicted (np.ndarray): Standard deviation (H, W), white at 1, as of
            :meth:`VariationalDenoiser.noise_level`, averaged over channels.
        measured (np.ndarray, optional): The same, from the ground truth.
            Default: None.
    """
    maps = {'predicted noise level': predicted}
    if measured is not None:
        maps['measured noise level'] = measured
    maps = {name: 255 * values for name, values in maps.items()}
    shown = np.concatenate([values.ravel() for values in maps.values()])
    limit = np.quantile(shown[np.isfinite(shown)], 0.995)
    height, width = noisy.shape[:2]
    cell = 3.4
    figure = new_figure(cell * (1 + len(maps)) + 0.6,
                        cell * height / width + 0.5)
    axes = figure.subplots(1, 1 + len(maps))
    _show(axes[0], noisy)
    axes[0].set_title('noisy photograph')
    for axis, (name, values) in zip(axes[1:], maps.items()):
        image = _show(axis, values, cmap=AMOUNT, vmin=0, vmax=limit)
        axis.set_title(name)
    figure.colorbar(
        image,
        ax=axes[-1],
        fraction=0.046,
        label='standard deviation, of 255')
    return figure


def _show(axis: Axes, image: np.ndarray, **options):
    axis.set_xticks([])
    axis.set_yticks([])
    return axis.imshow(image, **options)

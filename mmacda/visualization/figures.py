"""Figures of the demo, drawn with matplotlib without a display."""
import os
from typing import Dict, Optional, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Distinguishable with every common colour vision deficiency.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7')


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure as PNG, whole or not at all.

    Args:
        figure (Figure): What to write.
        path (str): Where to; missing folders are created.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f'{path}.part'
    figure.savefig(temporary, format='png', dpi=110)
    os.replace(temporary, path)


def new_figure(width: float, height: float) -> Figure:
    """A figure of the given size in inches, without global state."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def draw_detection(rows: Sequence[Dict[str, np.ndarray]],
                   row_labels: Sequence[str]) -> Figure:
    """Maps side by side, a row per input (paper, Figure 6).

    Args:
        rows (Sequence[Dict[str, np.ndarray]]): For each row the titles and
            maps (H, W). The first map is shown on its own grey scale, the
            others, which share the meaning 0 to 1, on one.
        row_labels (Sequence[str]): A name for each row.
    """
    columns = len(rows[0])
    figure = new_figure(3.1 * columns, 3.3 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, label, line in zip(rows, row_labels, axes):
        line[0].set_ylabel(label)
        for n, (axis, (title, image)) in enumerate(zip(line, row.items())):
            limits = dict(cmap='gray') if n == 0 else dict(
                cmap='magma', vmin=0, vmax=1)
            shown = axis.imshow(image, interpolation='nearest', **limits)
            axis.set_title(title, fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
        figure.colorbar(shown, ax=line[-1], fraction=0.046)
    return figure


def draw_curves(curves: Dict[str, np.ndarray],
                x_label: str,
                y_label: str,
                title: Optional[str] = None) -> Figure:
    """Training curves: the mean over runs as a line, their range as a band.

    Args:
        curves (Dict[str, np.ndarray]): Name and values (runs, steps).
        x_label (str): Name of the steps, which count from 1.
        y_label (str): Name and unit of the values.
        title (str, optional): Title. Default: None.
    """
    figure = new_figure(6.4, 4)
    axis = figure.subplots()
    for n, (colour, (name, values)) in enumerate(
            zip(COLOURS, curves.items())):
        steps = np.arange(1, values.shape[1] + 1)
        style = ('-', '--', '-.', ':')[n % 4]
        axis.plot(steps, values.mean(0), style, color=colour, label=name)
        axis.fill_between(
            steps, values.min(0), values.max(0), color=colour, alpha=0.2)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend()
    if title:
        axis.set_title(title, fontsize=10)
    return figure



"""Figures of the demo, drawn with matplotlib without a display."""
import os.path as osp
from typing import Dict, Optional, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from ..io import whole_path
from .look import COLOURS, DASHES, GREY, HEAT, in_one_look, one_look

# Ending to the options by which matplotlib writes it: the same bytes each
# time, and text in PDF and SVG as text.
FORMATS = {
    '.png': dict(format='png'),
    '.jpg': dict(
        format='jpeg', pil_kwargs=dict(quality=95, subsampling=0)),
    '.jpeg': dict(
        format='jpeg', pil_kwargs=dict(quality=95, subsampling=0)),
    '.pdf': dict(format='pdf', metadata=dict(CreationDate=None)),
    '.svg': dict(format='svg', metadata=dict(Date=None)),
}
TEXT_AS_TEXT = {
    'pdf.fonttype': 42,
    'svg.fonttype': 'none',
    'svg.hashsalt': 'mmacda'
}
DPI, SCREEN_DPI = 300, 110  # for papers, and for pages on a screen
# Factor from which on curves are drawn on a logarithmic axis.
WIDE = 20


def save_figure(figure: Figure, path: str, dpi: int = DPI) -> None:
    """Write a figure whole or not at all, in the format of its ending.

    Args:
        figure (Figure): What to write.
        path (str): Where to, with one of the endings of ``FORMATS``; missing
            folders are created.
        dpi (int): Pixels per inch of PNG and JPEG, and of what PDF and SVG,
            which hold vectors, have of pixels. Default: 300.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the ending is another one.
    """
    ending = osp.splitext(path)[1].lower()
    if ending not in FORMATS:
        raise ValueError(f'{path} must end in one of {", ".join(FORMATS)}, '
                         'which chooses the format')
    # Ticks take their look when they are drawn.
    with whole_path(path) as temporary, one_look(), rc_context(TEXT_AS_TEXT):
        figure.savefig(temporary, dpi=dpi, **FORMATS[ending])


def new_figure(width: float, height: float) -> Figure:
    """A figure of the given size in inches, without global state."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


@in_one_look
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
            limits = dict(cmap=GREY) if n == 0 else dict(
                cmap=HEAT, vmin=0, vmax=1)
            shown = axis.imshow(image, **limits)
            axis.set_title(title)
            axis.set_xticks([])
            axis.set_yticks([])
        figure.colorbar(
            shown, ax=line[-1], fraction=0.046, label='output, 0 to 1')
    return figure


@in_one_look
def draw_curves(curves: Dict[str, np.ndarray],
                x_label: str,
                y_label: str,
                title: Optional[str] = None) -> Figure:
    """Training curves: the mean over runs as a line, their range as a band.

    The values' axis begins at zero, unless they all lie in its last tenth,
    as decibels do, or is logarithmic where positive values span more than a
    factor of twenty.

    Args:
        curves (Dict[str, np.ndarray]): Name and values (runs, steps).
        x_label (str): Name of the steps, which count from 1.
        y_label (str): Name and unit of the values.
        title (str, optional): Title. Default: None.
    """
    figure = new_figure(6.4, 4)
    axis = figure.subplots()
    for n, (name, values) in enumerate(curves.items()):
        colour = COLOURS[n % len(COLOURS)]
        steps = np.arange(1, values.shape[1] + 1)
        axis.plot(steps, values.mean(0), DASHES[n % len(DASHES)],
                  color=colour, label=name)
        axis.fill_between(
            steps, values.min(0), values.max(0), color=colour, alpha=0.2)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    least = min(values.min() for values in curves.values())
    most = max(values.max() for values in curves.values())
    if 0 < least < most / WIDE:
        axis.set_yscale('log')
        axis.yaxis.set_major_formatter('{x:g}')
        # 2 and 5 where there is room, not 2 x 10^0.
        axis.yaxis.set_minor_formatter(LogFormatter())
    elif least < 0.9 * most:
        axis.set_ylim(bottom=0)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid()
    axis.legend()
    if title:
        axis.set_title(title)
    return figure

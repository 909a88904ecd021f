"""Figures of what was measured: diversity (A.5) and ablation (Table B)."""
from typing import Dict, Tuple

import numpy as np
from matplotlib.figure import Figure

from .figures import new_figure
from .look import COLOURS, MARKERS, SMALL, in_one_look

UNITS = dict(PSNR=' in dB')


@in_one_look
def draw_diversity(layers: Dict[str, Dict[str, Tuple[float, float]]],
                   subject: str) -> Figure:
    """Cosine distance within images, by layer and scale (Section A.5).

    A line for each layer and scale: a hollow marker at the mean, the standard
    error as a bar over it, and both as numbers, since errors are often
    smaller than a marker.

    Args:
        layers (Dict[str, Dict[str, Tuple[float, float]]]): Layer to scale to
            the mean over images and its standard error.
        subject (str): Which images they are.
    """
    kinds = list(dict.fromkeys(
        scale for values in layers.values() for scale in values))
    lines = sum(len(values) + 1 for values in layers.values())
    figure = new_figure(7.5, 1.1 + 0.19 * lines)
    axis = figure.subplots()
    row, ticks, handles = 0., [], {}
    for values in layers.values():
        ticks.append(row + (len(values) - 1) / 2)
        for scale, (mean, error) in values.items():
            n = kinds.index(scale)
            handles[scale] = axis.errorbar(
                mean, row, xerr=error, fmt=MARKERS[n % len(MARKERS)],
                mfc='none', mew=1.2, ms=7, color=COLOURS[n % len(COLOURS)],
                ecolor='black', elinewidth=1.2, capsize=3, zorder=3)
            text = 'no value' if mean != mean else \
                f'{mean:.4f} \u00b1 {error:.4f}'
            axis.annotate(text, (1, row), (5, 0), fontsize=SMALL, va='center',
                          xycoords=('axes fraction', 'data'),
                          textcoords='offset points')
            row += 1
        axis.axhline(row, color='#cccccc', lw=0.6)
        row += 1
    axis.legend(
        handles.values(),
        ['mean over scales' if scale == 'mean' else f'scale {scale}'
         for scale in handles],
        loc='lower left', bbox_to_anchor=(0, 1), ncols=4,
        frameon=False)
    axis.set_yticks(ticks, list(layers))
    ends = [end for values in layers.values()
            for mean, error in values.values()
            for end in (mean - np.nan_to_num(error),
                        mean + np.nan_to_num(error)) if end == end]
    low, high = min(ends, default=0), max(ends, default=1)
    margin = 0.06 * max(high - low, 0.02)
    axis.set(ylim=(row - .8, -.8), xlim=(low - margin, high + margin))
    axis.grid(axis='x')
    axis.set_xlabel('mean pairwise cosine distance within an image, 0 to 1 '
                    '(black bars: standard error)')
    axis.set_title(subject, pad=22)
    return figure


@in_one_look
def draw_ablation(
        results: Dict[Tuple[int, int], Dict[str, float]]) -> Figure:
    """Quality by the numbers of atoms and of scales (Table B).

    Args:
        results (Dict[Tuple[int, int], Dict[str, float]]): (atoms, scales) to
            metric to value. A line for each number of the other kind that
            two cells share.
    """
    metrics = list(next(iter(results.values())))
    figure = new_figure(7.4, 2.7 * len(metrics))
    axes = figure.subplots(len(metrics), 2, squeeze=False, sharey='row')
    for line, metric in zip(axes, metrics):
        line[0].set_ylabel(f'{metric}{UNITS.get(metric, "")}')
        for kind, axis in enumerate(line):
            name, other = ('atoms', 'scales')[::1 - 2 * kind]
            groups: Dict[int, list] = {}
            for cell in sorted(results):
                groups.setdefault(cell[1 - kind], []).append(cell)
            shown = [g for g in groups.items() if len(g[1]) > 1]
            for n, (fixed, cells) in enumerate(shown or groups.items()):
                axis.plot(
                    [cell[kind] for cell in cells],
                    [results[cell][metric] for cell in cells],
                    MARKERS[n % len(MARKERS)] + '-',
                    color=COLOURS[n % len(COLOURS)],
                    label=f'{fixed} {other}')
            axis.set_xlabel(f'number of {name}')
            axis.set_xticks(sorted({cell[kind] for cell in results}))
            axis.grid()
            axis.legend()
    return figure

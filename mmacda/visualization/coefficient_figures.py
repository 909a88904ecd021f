"""The paper's figures of bases, atoms and coefficients (7, A and B)."""
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from .figures import new_figure
from .look import (AMOUNT, COLOURS, GREY, NEGATIVE, OUTSIDE, POSITIVE, SIGNED,
                   SMALL, in_one_look, one_look)


def to_array(figure: Figure) -> np.ndarray:
    """A figure as RGB pixels, uint8 of shape (H, W, 3)."""
    with one_look():
        figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def show(axis: Axes, image: np.ndarray, title: str = '', **kwargs):
    """An image in pixels, without ticks."""
    axis.set_xticks([])
    axis.set_yticks([])
    if title:
        axis.set_title(title)
    return axis.imshow(image, **kwargs)


def show_signed(axis: Axes, image: np.ndarray, title: str = '',
                limit: Optional[float] = None):
    """Signed values, zero in the middle of the colours."""
    limit = limit or max(float(np.abs(image).max()), 1e-12)
    return show(axis, image, title, cmap=SIGNED, vmin=-limit, vmax=limit)


@in_one_look
def draw_scale_maps(layers: Dict[str, Dict[int, np.ndarray]],
                    image: Optional[np.ndarray] = None) -> Figure:
    """Energy of the basis coefficients, a map per scale (Figure 7).

    Args:
        layers (Dict[str, Dict[int, np.ndarray]]): Layer to scale to energies
            (H, W); a row for each layer, with one colour scale.
        image (np.ndarray, optional): Shown in front, (H, W) or RGB.
            Default: None.
    """
    lead = 0 if image is None else 1
    columns = lead + max(len(energies) for energies in layers.values())
    figure = new_figure(2.6 * columns + 0.5, 2.75 * len(layers))
    axes = figure.subplots(len(layers), columns, squeeze=False)
    for line, (name, energies) in zip(axes, layers.items()):
        if lead:
            show(line[0], image, 'image', cmap=GREY)
        line[0].set_ylabel(name)
        total = max(sum(float(e.sum()) for e in energies.values()), 1e-30)
        limit = max(float(e.max()) for e in energies.values())
        for axis, (scale, energy) in zip(line[lead:], energies.items()):
            share = float(energy.sum()) / total
            shown = show(
                axis, energy, f'scale {scale}: {share:.0%} of the energy',
                cmap=AMOUNT, vmin=0, vmax=limit or 1)
        for axis in line[lead + len(energies):]:
            axis.set_axis_off()
        figure.colorbar(
            shown, ax=line[-1], fraction=0.046,
            label='energy: sum of the\nsquared coefficients')
    return figure


@in_one_look
def draw_receptive_fields(
        image: np.ndarray, fields: Sequence[np.ndarray],
        moments: Sequence[Tuple[float, float, float]],
        shares: Sequence[Dict[int, float]]) -> Figure:
    """Effective receptive fields of chosen pixels (Figure 7).

    Args:
        image (np.ndarray): RGB, (H, W, 3).
        fields (Sequence[np.ndarray]): Per pixel, (H, W).
        moments (Sequence[Tuple[float, float, float]]): Per pixel the centre
            and the radius of its field.
        shares (Sequence[Dict[int, float]]): Per pixel the share of the
            coefficients' energy at each scale.
    """
    columns = 1 + len(fields)
    figure = new_figure(2.7 * columns + 0.5, 3.3)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    show(axes[0], image, 'whole image')
    axes[0].set_xlabel('circles: root mean square radii\nsquares: the crops',
                       fontsize=SMALL)
    visible = [withStroke(linewidth=3, foreground='white')]
    half = max(6, *(int(np.ceil(4 * radius)) for _, _, radius in moments))
    for n, (row, column, radius) in enumerate(moments):
        colour = COLOURS[n % len(COLOURS)]
        # A field of a single pixel has no radius, but a place.
        axes[0].add_patch(
            Circle((column, row), max(radius, 0.5), fill=False, lw=1.5,
                   color=colour, path_effects=visible))
        left, top = (round(centre) - half - 0.5 for centre in (column, row))
        axes[0].add_patch(
            Rectangle((left, top), 2 * half + 1, 2 * half + 1, fill=False,
                      lw=0.8, color=colour))
        axes[0].annotate(
            str(n + 1), (column, row), (5, 5), color=colour, fontsize=11,
            textcoords='offset points', weight='bold', path_effects=visible)
    for n, (axis, field, (row, column, radius), share) in enumerate(
            zip(axes[1:], fields, moments, shares)):
        shown = show(
            axis, field / max(float(field.max()), 1e-30),
            f'{n + 1}: radius {radius:.1f} pixels', cmap=AMOUNT,
            vmin=0, vmax=1)
        row, column = round(row), round(column)
        axis.set(xlim=(column - half - .5, column + half + .5),
                 ylim=(row + half + .5, row - half - .5), facecolor=OUTSIDE,
                 xticks=(column - half, column, column + half),
                 yticks=(row - half, row, row + half))
        axis.tick_params(length=2)
        for spine in axis.spines.values():
            spine.set(color=COLOURS[n % len(COLOURS)], lw=2)
        axis.set_xlabel(
            f'column; crop of {2 * half + 1} x {2 * half + 1} pixels\n'
            'energy at scale ' + ', '.join(
                f'{scale}: {value:.0%}' for scale, value in share.items()),
            fontsize=SMALL)
    axes[1].set_ylabel('row of the image', fontsize=SMALL)
    _small_bar(figure, shown, axes[1:], 'norm of the gradient,\nrelative to '
               'its largest')
    return figure


@in_one_look
def draw_bases(sets: Dict[int, np.ndarray], kept: int) -> Figure:
    """Multi-scale Fourier-Bessel bases (Figure B).

    Args:
        sets (Dict[int, np.ndarray]): Scale to its elements (n, scale, scale).
        kept (int): How many of each set the layer uses; they are framed.
    """
    columns = max(len(elements) for elements in sets.values())
    figure = new_figure(0.85 * columns + 1.3, 1.02 * len(sets) + 0.45)
    axes = figure.subplots(len(sets), columns, squeeze=False)
    for line, (scale, elements) in zip(axes, sets.items()):
        line[0].set_ylabel(f'{scale} x {scale} pixels')
        limit = max(float(np.abs(elements).max()), 1e-12)
        for n, axis in enumerate(line):
            if n >= len(elements):
                axis.set_axis_off()
                continue
            shown = show_signed(axis, elements[n], f'{n + 1}', limit)
            if n < kept:
                for spine in axis.spines.values():
                    spine.set(color=COLOURS[0], lw=2.5)
        _small_bar(figure, shown, line, 'value')
    if kept:
        figure.suptitle(
            f'framed: the first {kept} of each set, which a layer keeps')
    return figure


@in_one_look
def draw_decomposition(filters: np.ndarray, composition: np.ndarray,
                       atoms: np.ndarray, coefficients: np.ndarray,
                       bases: np.ndarray, scales: Sequence[int],
                       title: str) -> Figure:
    """A filter, its atoms, and their bases and coefficients (Figure A).

    Args:
        filters (np.ndarray): The composed filter, (k, k).
        composition (np.ndarray): Its composition coefficients, (m, ).
        atoms (np.ndarray): Filter atoms, (m, k, k).
        coefficients (np.ndarray): Basis coefficients, (m, J).
        bases (np.ndarray): Atom bases, (J, k, k).
        scales (Sequence[int]): Scale of each of the J elements.
        title (str): Which filter it is.
    """
    count, columns = len(atoms), len(bases)
    figure = new_figure(min(20, 4.6 + 0.62 * columns),
                        0.95 * (count + 1) + 0.7)
    grid = figure.add_gridspec(
        count + 1, columns + 6, height_ratios=[1] * (count + 1))
    figure.suptitle(title)
    side = filters.shape[-1]
    axis = figure.add_subplot(grid[1:, :4])
    shown = show_signed(axis, filters, 'filter = sum of A x atoms')
    axis.set_xlabel(f'{side} x {side} pixels')
    figure.colorbar(shown, ax=axis, location='left', fraction=0.05,
                    shrink=0.5, label='weight of a pixel')
    line = []
    for n in range(columns):
        line.append(figure.add_subplot(grid[0, 6 + n]))
        largest = max(float(np.abs(bases[n]).max()), 1e-12)
        shown = show_signed(line[-1], bases[n] / largest, f'{scales[n]}', 1)
    line[0].set_ylabel('bases\nby scale')
    _small_bar(figure, shown, line, 'of its largest')
    limit = float(np.abs(atoms).max()) or None
    bars = float(np.abs(coefficients).max()) * 1.05 or 1.
    left, right = [], []
    for m in range(count):
        left.append(figure.add_subplot(grid[m + 1, 4:6]))
        shown = show_signed(left[-1], atoms[m], limit=limit)
        left[-1].set_ylabel(f'A {composition[m]:+.3f}')
        axis = figure.add_subplot(grid[m + 1, 6:])
        colours = np.where(coefficients[m] < 0, NEGATIVE, POSITIVE)
        axis.bar(range(columns), coefficients[m], color=colours, width=0.7)
        axis.axhline(0, color='black', lw=0.6)
        axis.set(xlim=(-.5, columns - .5), ylim=(-bars, bars), xticks=[])
        right.append(axis)
    left[0].set_title('atoms')
    right[0].set_title('basis coefficients of the atom on the left, of the '
                       'basis above')
    _small_bar(figure, shown, right, 'value of atoms')
    return figure


def _small_bar(figure: Figure, shown, axes: Sequence[Axes],
               label: str) -> None:
    bar = figure.colorbar(shown, ax=axes, pad=0.005, aspect=20,
                          fraction=0.012, shrink=1)
    bar.set_label(label, fontsize=SMALL)

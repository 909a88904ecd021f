"""The paper's figures of bases, atoms and coefficients (7, A and B)."""
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from .figures import COLOURS, new_figure

# Readable with every common colour vision deficiency and in grey.
ENERGY_MAP, SIGNED_MAP = 'viridis', 'PuOr_r'
NEGATIVE, POSITIVE = '#542788', '#b35806'  # the ends of SIGNED_MAP


def to_array(figure: Figure) -> np.ndarray:
    """A figure as RGB pixels, uint8 of shape (H, W, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def show(axis: Axes, image: np.ndarray, title: str = '', **kwargs):
    """An image in pixels, without ticks."""
    axis.set_xticks([])
    axis.set_yticks([])
    if title:
        axis.set_title(title, fontsize=9)
    return axis.imshow(image, interpolation='nearest', **kwargs)


def show_signed(axis: Axes, image: np.ndarray, title: str = '',
                limit: Optional[float] = None):
    """Signed values, zero in the middle of the colours."""
    limit = limit or max(float(np.abs(image).max()), 1e-12)
    return show(axis, image, title, cmap=SIGNED_MAP, vmin=-limit, vmax=limit)


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
            show(line[0], image, 'image', cmap='gray')
        line[0].set_ylabel(name, fontsize=8)
        total = max(sum(float(e.sum()) for e in energies.values()), 1e-30)
        limit = max(float(e.max()) for e in energies.values())
        for axis, (scale, energy) in zip(line[lead:], energies.items()):
            share = float(energy.sum()) / total
            shown = show(
                axis, energy, f'scale {scale}: {share:.0%} of the energy',
                cmap=ENERGY_MAP, vmin=0, vmax=limit or 1)
        for axis in line[lead + len(energies):]:
            axis.set_axis_off()
        figure.colorbar(
            shown, ax=line[-1], fraction=0.046, label='energy per pixel')
    return figure


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
    figure = new_figure(2.6 * columns, 3)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    show(axes[0], image, 'root mean square radii')
    visible = [withStroke(linewidth=3, foreground='white')]
    side = max(6, *(int(np.ceil(4 * radius)) for _, _, radius in moments))
    for n, (row, column, radius) in enumerate(moments):
        colour = COLOURS[n % len(COLOURS)]
        # A field of a single pixel has no radius, but a place.
        axes[0].add_patch(
            Circle((column, row), max(radius, 0.5), fill=False, lw=1.5,
                   color=colour, path_effects=visible))
        axes[0].annotate(
            str(n + 1), (column, row), (5, 5), color=colour, fontsize=11,
            textcoords='offset points', weight='bold', path_effects=visible)
    for n, (axis, field, (row, column, radius), share) in enumerate(
            zip(axes[1:], fields, moments, shares)):
        show(axis, field, f'{n + 1}: radius {radius:.1f} pixels',
             cmap=ENERGY_MAP)
        axis.set(xlim=(column - side, column + side),
                 ylim=(row + side, row - side), facecolor='#e8ebef')
        for spine in axis.spines.values():
            spine.set(color=COLOURS[n % len(COLOURS)], lw=2)
        axis.set_xlabel('energy at scale ' + ', '.join(
            f'{scale}: {value:.0%}' for scale, value in share.items()),
            fontsize=7)
    return figure


def draw_bases(sets: Dict[int, np.ndarray], kept: int) -> Figure:
    """Multi-scale Fourier-Bessel bases (Figure B).

    Args:
        sets (Dict[int, np.ndarray]): Scale to its elements (n, scale, scale).
        kept (int): How many of each set the layer uses; they are framed.
    """
    columns = max(len(elements) for elements in sets.values())
    figure = new_figure(0.85 * columns + 0.6, 1.02 * len(sets) + 0.45)
    axes = figure.subplots(len(sets), columns, squeeze=False)
    for line, (scale, elements) in zip(axes, sets.items()):
        line[0].set_ylabel(f'{scale} x {scale}', fontsize=9)
        for n, axis in enumerate(line):
            if n >= len(elements):
                axis.set_axis_off()
                continue
            show_signed(axis, elements[n], f'{n + 1}')
            if n < kept:
                for spine in axis.spines.values():
                    spine.set(color=COLOURS[0], lw=2.5)
    if kept:
        figure.suptitle(
            f'framed: the first {kept} of each set, which a layer keeps',
            fontsize=9)
    return figure


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
    figure = new_figure(min(20, 4 + 0.62 * columns), 0.95 * (count + 1) + 0.5)
    grid = figure.add_gridspec(
        count + 1, columns + 6, height_ratios=[1] * (count + 1))
    figure.suptitle(title, fontsize=10)
    axis = figure.add_subplot(grid[1:, :4])
    shown = show_signed(axis, filters, 'filter = sum of A x atoms')
    figure.colorbar(shown, ax=axis, location='left', fraction=0.05,
                    shrink=0.5)
    for n in range(columns):
        axis = figure.add_subplot(grid[0, 6 + n])
        show_signed(axis, bases[n], f'{scales[n]}')
    limit = float(np.abs(atoms).max())
    bars = float(np.abs(coefficients).max()) * 1.05 or 1.
    for m in range(count):
        axis = figure.add_subplot(grid[m + 1, 4:6])
        show_signed(axis, atoms[m], limit=limit)
        axis.set_ylabel(f'A {composition[m]:+.3f}', fontsize=8)
        axis = figure.add_subplot(grid[m + 1, 6:])
        colours = np.where(coefficients[m] < 0, NEGATIVE, POSITIVE)
        axis.bar(range(columns), coefficients[m], color=colours, width=0.7)
        axis.axhline(0, color='black', lw=0.6)
        axis.set(xlim=(-.5, columns - .5), ylim=(-bars, bars), xticks=[])
        axis.tick_params(labelsize=7)
    return figure


def draw_diversity(layers: Dict[str, Dict[str, Tuple[float, float]]],
                   subject: str) -> Figure:
    """Cosine distance within images, by layer and scale (Section A.5).

    Args:
        layers (Dict[str, Dict[str, Tuple[float, float]]]): Layer to scale to
            the mean over images and its standard error.
        subject (str): Which images they are.
    """
    figure = new_figure(7, 0.6 + 0.55 * len(layers) + 0.6)
    axis = figure.subplots()
    for row, values in enumerate(layers.values()):
        for n, (scale, (mean, error)) in enumerate(values.items()):
            axis.errorbar(
                mean, row + 0.09 * (n - (len(values) - 1) / 2), xerr=error,
                fmt='osD^v*P'[n % 7], color=COLOURS[n % len(COLOURS)],
                capsize=2, ms=5,
                label=f'scale {scale}' if scale != 'mean' else
                'mean over scales')
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    axis.legend(unique.values(), unique, fontsize=7, loc='center left',
                bbox_to_anchor=(1, .5))
    axis.set_yticks(range(len(layers)), list(layers), fontsize=8)
    axis.set(ylim=(len(layers) - .5, -.5), xlim=(0, None))
    axis.grid(axis='x', alpha=0.3)
    axis.set_xlabel('mean pairwise cosine distance within an image '
                    '(bars: standard error)', fontsize=8)
    axis.set_title(subject, fontsize=9)
    return figure


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
        line[0].set_ylabel(metric)
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
                    'osD^v*P'[n % 7] + '-', color=COLOURS[n % len(COLOURS)],
                    label=f'{fixed} {other}')
            axis.set_xlabel(f'number of {name}')
            axis.set_xticks(sorted({cell[kind] for cell in results}))
            axis.grid(alpha=0.3)
            axis.legend(fontsize=7)
    return figure

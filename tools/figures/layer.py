"""Draw the adaptive layer on one page, with real bases and coefficients.

    python -m tools.figures.layer --out docs/images/layer.svg

After Figures 1 to 4 of the paper: what happens at one pixel, from the input
to its filters, and the two convolutions by which it is computed. All values
are those of a layer with random weights on the picture that is shown.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace
from typing import NamedTuple, Sequence, Tuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from mmacda.apis.analysis_command import add_figure_arguments
from mmacda.apis.command_line import CommandParser, run_command
from mmacda.datasets import MultiScalePatterns
from mmacda.layers import ACDAConv
from mmacda.visualization import (CoefficientCapture, atoms_of,
                                  compose_filters)
from mmacda.visualization.figures import new_figure, save_figure
from mmacda.visualization.look import (COLOURS, GREY, SIGNED, SMALL,
                                       in_one_look)

WIDTH, HEIGHT = 11.4, 7.2  # inches, which are the units of all places here
INK, FAINT, FILL = '#333333', '#888888', '#f2f4f7'
SCALES, PER_SCALE, ATOMS = (3, 5, 7), 6, 6
PIXEL = (30, 54)  # row and column in the crop
CROP = (slice(4, 64), slice(20, 80))
Place = Tuple[float, float]


class Example(NamedTuple):
    """What one layer does at one pixel."""

    image: np.ndarray
    bases: np.ndarray
    coefficients: np.ndarray
    atoms: np.ndarray
    filters: np.ndarray


@torch.no_grad()
def compute() -> Example:
    """Of a layer with random weights, in the statistics of this image."""
    image = MultiScalePatterns()[0]['inputs'][(slice(None), *CROP)].float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = ACDAConv(1, 3, 3, padding=1, scales=SCALES, num_atoms=ATOMS,
                         num_bases=PER_SCALE).train()
    with CoefficientCapture(layer) as captured:
        layer(image[None])
    (_, alpha, _), = captured.values()
    alpha = alpha[0, :, :, PIXEL[0], PIXEL[1]]
    atoms = atoms_of(layer, alpha)
    return Example(image[0].numpy(), layer.atom_bases.numpy(), alpha.numpy(),
                   atoms.numpy(), compose_filters(layer, atoms)[:, 0].numpy())


class Page:
    """Places in inches on a figure."""

    def __init__(self) -> None:
        self.figure: Figure = new_figure(WIDTH, HEIGHT)
        self.figure.set_layout_engine('none')
        self.axis: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        self.axis.set_axis_off()

    def text(self, x: float, y: float, text: str, **options) -> None:
        self.axis.text(x, y, text, **{
            **dict(ha='center', va='center', color=INK), **options})

    def title(self, y: float, letter: str, text: str) -> None:
        self.text(0.25, y, letter, ha='left', weight='bold', size=13)
        self.text(0.55, y, text, ha='left', size=11)

    def arrow(self, start: Place, end: Place) -> None:
        self.axis.annotate('', end, start, arrowprops=dict(
            arrowstyle='-|>', color=INK, lw=1.2, shrinkA=0, shrinkB=0))

    def box(self, x: float, y: float, width: float, height: float,
            text: str) -> None:
        self.axis.add_patch(FancyBboxPatch(
            (x, y), width, height, boxstyle='round,pad=0,rounding_size=0.06',
            fc=FILL, ec=INK, lw=1))
        self.text(x + width / 2, y + height / 2, text)

    def tile(self, x: float, y: float, side: float, values: np.ndarray,
             limit: float, frame: str = INK) -> None:
        """Signed values as squares, white left out: vectors, no pixels."""
        rows, columns = values.shape
        step = side / columns
        squares = [
            (Rectangle((x + c * step, y + r * step), step, step), values[r, c])
            for r in range(rows) for c in range(columns)
            if abs(values[r, c]) > 0.01 * limit]
        drawn = PatchCollection(
            [square for square, _ in squares], cmap=SIGNED, lw=0.2,
            edgecolor='face')
        drawn.set_array(np.array([value for _, value in squares]))
        drawn.set_clim(-limit, limit)
        drawn.set_clip_on(False)
        self.axis.add_collection(drawn)
        self.axis.add_patch(Rectangle(
            (x, y), side, step * rows, fill=False, ec=frame, lw=0.7))

    def image(self, x: float, y: float, side: float,
              image: np.ndarray) -> None:
        self.axis.imshow(image, cmap=GREY, extent=(x, x + side, y + side, y),
                         interpolation='nearest', aspect='auto', zorder=1)
        self.axis.add_patch(Rectangle((x, y), side, side, fill=False, ec=INK,
                                      lw=0.7, zorder=2))
        self.axis.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))

    def stack(self, x: float, y: float, side: float, count: int,
              colours: Sequence[str]) -> None:
        """Maps behind one another."""
        for n in reversed(range(count)):
            at = (x + 0.09 * n, y + 0.09 * n)
            self.axis.add_patch(Rectangle(
                at, side, side, fc=colours[n % len(colours)], ec='white',
                lw=1, zorder=5 - 0.1 * n))


def draw_pixel(page: Page, example: Example) -> None:
    """Part a: from the input to the filters of one pixel."""
    page.title(0.3, 'a', 'At each pixel: coefficients from its surroundings, '
               'filters from few coefficients')
    top, side = 0.95, 1.5
    page.image(0.35, top, side, example.image)
    step = side / example.image.shape[1]
    place = (0.35 + (PIXEL[1] + .5) * step, top + (PIXEL[0] + .5) * step)
    for reach, width in ((3.5, 1.6), (2.5, 0.9)):
        page.axis.add_patch(Rectangle(
            (place[0] - reach * step, place[1] - reach * step),
            2 * reach * step, 2 * reach * step, fill=False, ec=COLOURS[1],
            lw=width, zorder=4))
    page.text(0.35 + side / 2, top - 0.15, 'input x')
    page.text(0.35 + side / 2, top + side + 0.3, 'framed: what the generator\n'
              'sees (5 x 5), and the\nreach of a filter (7 x 7)', size=SMALL,
              color=FAINT)
    page.arrow((1.93, top + .75), (2.2, top + .75))
    page.box(2.2, top + .05, 1.5, 1.4, 'atom generator\n\nconv 3 x 3, to 64\n'
             'norm, tanh\nconv 3 x 3, to 6 x 18\nnorm, tanh')
    page.arrow((3.7, top + .75), (4.05, top + .75))
    # Coefficients below the bases that they belong to, column by column.
    left, column = 4.3, 0.262
    limit = float(np.abs(example.coefficients).max())
    row = top + 0.33
    page.tile(left, row, 18 * column, example.coefficients, limit)
    for m in range(ATOMS):
        page.text(left - 0.13, row + (m + .5) * column, str(m + 1),
                  size=SMALL, color=FAINT)
    page.text(left + 9 * column, top + 0.1, 'basis coefficients of this '
              r'pixel, $\alpha$: atoms 1 to 6 by bases 1 to 18')
    bases = row + 6 * column + 0.25
    for n, basis in enumerate(example.bases):
        page.tile(left + n * column + 0.01, bases, column - 0.02, basis,
                  float(np.abs(basis).max()))
    for n, scale in enumerate(SCALES):
        page.text(left + (6 * n + 3) * column, bases + 0.43,
                  f'scale {scale} x {scale}', size=SMALL, color=FAINT)
    page.text(left + 9 * column, bases + 0.66,
              r'fixed Fourier-Bessel bases, $\psi$')
    page.arrow((left + 18 * column + 0.08, top + 1.1),
               (left + 18 * column + 0.42, top + 1.1))
    x, size = 9.55, 0.4
    limit = float(np.abs(example.atoms).max())
    for m, atom in enumerate(example.atoms):
        page.tile(x + (m % 3) * (size + .1), top + 0.6
                  + (m // 3) * (size + .1), size, atom, limit)
    page.text(x + 0.7, top + 0.1, 'filter atoms D')
    page.text(x + 0.7, top + 0.38, r'$D_i=\sum_j\alpha_{ij}\,\psi_j$',
              size=10)
    page.text(x + 0.7, top + 1.72, r'filters: $\sum_i A_{oi}\,D_i$', size=10)
    limit = float(np.abs(example.filters).max())
    for n, values in enumerate(example.filters):
        page.tile(x + n * (size + .1), top + 1.92, size, values, limit)
    page.text(x + 0.7, top + 2.5, 'A: composition coefficients,\nthe same at '
              'every pixel', size=SMALL, color=FAINT)


def draw_two_layers(page: Page, example: Example) -> None:
    """Part b: the two convolutions, without filters for every pixel."""
    page.title(4.3, 'b', 'In two convolutions: no filter is ever built')
    y, side = 5.05, 0.9
    colours = [COLOURS[0], COLOURS[5]]
    page.stack(0.5, y, side, 2, colours)
    page.text(1.0, y - 0.2, 'input x')
    page.text(1.0, y + 1.25, 'B x C x H x W', size=SMALL, color=FAINT)
    page.arrow((1.7, y + .5), (2.2, y + .5))
    page.box(2.2, y + .05, 2.0, 0.9, 'atom convolution\neach channel with '
             'each\nof the m atoms of the pixel')
    limit = float(np.abs(example.atoms).max())
    for m in range(3):
        page.tile(2.72 + 0.34 * m, y - 0.42, 0.28, example.atoms[m], limit)
    page.text(3.2, y + 1.25, r'$Z_{c,i}(p)=\sum_u D_i(p,u)\,x_c(p+u)$',
              size=10)
    page.arrow((4.2, y + .5), (4.7, y + .5))
    shades = ['#0072B2', '#3389c0', '#66a1ce', '#56B4E9', '#7cc5ee', '#a2d6f3']
    page.stack(4.7, y - 0.15, side, 6, shades)
    page.text(5.4, y - 0.35, 'Z')
    page.text(5.4, y + 1.45, 'B x C m x H x W', size=SMALL, color=FAINT)
    page.arrow((6.2, y + .5), (6.7, y + .5))
    page.box(6.7, y + .05, 2.0, 0.9, 'coefficient convolution\n1 x 1 with A, '
             'the same\nat every pixel')
    page.text(7.7, y + 1.25, r'$Y_o(p)=\sum_{c,i} A_{o,ci}\,Z_{c,i}(p)$',
              size=10)
    page.arrow((8.7, y + .5), (9.2, y + .5))
    page.stack(9.2, y - 0.05, side, 3, [COLOURS[2], '#33b18f', '#66c5ab'])
    page.text(9.75, y - 0.25, 'output Y')
    page.text(9.75, y + 1.35, r'B x C$_{out}$ x H x W', size=SMALL,
              color=FAINT)
    page.text(WIDTH / 2, 6.95, 'm = 6 atoms, 6 bases at each of 3 scales. '
              'Colours of tiles: signed, white is zero, each kind on one '
              'scale (bases: each on its own).', size=SMALL, color=FAINT)


@in_one_look
def draw(example: Example) -> Figure:
    page = Page()
    draw_pixel(page, example)
    draw_two_layers(page, example)
    return page.figure


def write(args: Namespace) -> None:
    save_figure(draw(compute()), args.out, args.dpi)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    add_figure_arguments(parser, 'layer.svg')
    run_command(parser, write)


if __name__ == '__main__':
    main()

"""Figure B: the multi-scale Fourier-Bessel bases, or those of a model's layer.

    python tools/analysis/plot_bases.py --out bases.png

With a CONFIG, those of the first adaptive layer of its model.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import SUPPRESS, Namespace
from typing import Dict

import numpy as np

from mmacda.apis.analysis_command import add_figure_arguments
from mmacda.apis.command_line import (CommandParser, add_model_arguments,
                                      run_command)
from mmacda.apis.load_model import load_model
from mmacda.apis.run_command import UsageError
from mmacda.layers import ACDAConv
from mmacda.ops import fourier_bessel_set
from mmacda.ops.fourier_bessel import check_scales
from mmacda.visualization import basis_scales, find_layers
from mmacda.visualization.coefficient_figures import draw_bases
from mmacda.visualization.figures import save_figure

COLUMNS = 14  # scale 7 has 38 elements, scale 11 has 115


def layer_bases(layer: ACDAConv) -> Dict[int, np.ndarray]:
    """Scale to the elements (n, scale, scale) that a layer uses.

    Raises:
        ValueError: If it has direct atoms.
    """
    if layer.atom_bases is None:
        raise ValueError('the layer has direct atoms: there are no bases')
    scales = np.array(basis_scales(layer))
    found = {}
    for scale in sorted(set(scales.tolist())):
        margin = (layer.support - scale) // 2
        inside = slice(margin, margin + scale)
        elements = layer.atom_bases.cpu().numpy()[scales == scale]
        found[scale] = elements[:, inside, inside]
    return found


def plot(args: Namespace) -> None:
    if args.num_bases < 0:
        raise UsageError('--num-bases takes 0 or more elements, not '
                         f'{args.num_bases}')
    if args.config is None:
        scales = check_scales(args.scales)
        sets = {scale: fourier_bessel_set(scale) for scale in scales}
        kept = args.num_bases
    else:
        layers = find_layers(load_model(args.config), args.layers)
        name, layer = next(iter(layers.items()))
        print(f'layer {name}')
        sets = layer_bases(layer)
        kept = 0
    for scale, elements in sets.items():
        norms = np.square(elements).sum((1, 2))
        print(f'scale {scale}: {len(elements)} elements, squared norms '
              f'{norms.min():.3f} to {norms.max():.3f}')
    shown = {scale: elements[:COLUMNS] for scale, elements in sets.items()}
    save_figure(draw_bases(shown, kept), args.out, args.dpi)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, checkpoint='', default=SUPPRESS)
    parser.add_argument('--scales', type=int, nargs='+', default=[3, 5, 7])
    parser.add_argument(
        '--num-bases',
        type=int,
        default=6,
        help='elements of each scale to frame, as a layer keeps them')
    parser.add_argument('--layers', nargs='+', metavar='NAME')
    add_figure_arguments(parser, 'bases.png')
    run_command(parser, plot)


if __name__ == '__main__':
    main()

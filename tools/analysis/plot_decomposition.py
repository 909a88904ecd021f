r"""Figure A: a composed filter of one pixel, its atoms, their coefficients.

    python tools/analysis/plot_decomposition.py work_dirs/demo/patterns.tiff \
        --config configs/patterns/acda_patterns.py \
        --checkpoint work_dirs/demo/acda_patterns/iter_500.pth
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

import torch

from mmacda.apis.analysis_command import (add_figure_arguments,
                                          add_image_arguments, model_and_image)
from mmacda.apis.command_line import CommandParser, run_command
from mmacda.apis.inspection import run_model
from mmacda.visualization import (CoefficientCapture, atoms_of, basis_scales,
                                  compose_filters)
from mmacda.visualization.coefficient_figures import draw_decomposition
from mmacda.visualization.figures import save_figure
from mmacda.visualization.pixels import layer_pixel


def plot(args: Namespace) -> None:
    model, inputs, image = model_and_image(args)
    with CoefficientCapture(model, args.layers) as captured:
        run_model(model, inputs)
    name, found = next(iter(captured.items()))
    layer, alpha = found.layer, found.coefficients[0]
    if args.pixel is not None:
        pixel = layer_pixel(found, args.pixel, image.shape[:2])
    else:
        energy = alpha.square().sum((0, 1))
        pixel = divmod(energy.argmax().item(), energy.shape[1])
    coefficients = alpha[:, :, pixel[0], pixel[1]]
    atoms = atoms_of(layer, coefficients)
    filters = compose_filters(layer, atoms)
    if args.channel is None:
        strongest = filters.square().sum((2, 3)).argmax().item()
        channel = divmod(strongest, filters.shape[1])
    else:
        channel = tuple(args.channel)
        if not (0 <= channel[0] < filters.shape[0]
                and 0 <= channel[1] < filters.shape[1]):
            raise ValueError(f'--channel {channel[0]} {channel[1]}: {name} '
                             f'has {filters.shape[0]} output channels and '
                             f'{filters.shape[1]} input channels per group')
    bases = layer.atom_bases
    if bases is None:
        bases = torch.eye(layer.num_coefficients).unflatten(
            1, (layer.support, layer.support))
    composition = layer.weight.detach()[channel[0], :, 0, 0].reshape(
        -1, layer.num_atoms)[channel[1]]
    title = (f'{name}, pixel {pixel[0]} {pixel[1]} of the layer, channel '
             f'{channel[1]} to {channel[0]}')
    arrays = [t.float().cpu().numpy() for t in (
        filters[channel], composition, atoms, coefficients, bases)]
    save_figure(
        draw_decomposition(*arrays, basis_scales(layer), title), args.out,
        args.dpi)
    print(f'{args.out}: {title}')


def main() -> None:
    parser = CommandParser(__doc__)
    add_image_arguments(parser)
    parser.add_argument(
        '--pixel',
        nargs=2,
        type=int,
        metavar=('ROW', 'COLUMN'),
        help='of the image; default: where the coefficients have most energy')
    parser.add_argument(
        '--channel',
        nargs=2,
        type=int,
        metavar=('OUT', 'IN'),
        help='default: the filter with most energy')
    add_figure_arguments(parser, 'decomposition.png')
    run_command(parser, plot)


if __name__ == '__main__':
    main()

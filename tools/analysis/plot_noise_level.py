r"""Draw the noise level that a VariationalDenoiser predicts for a photograph.

    python tools/analysis/plot_noise_level.py noisy.png --config CONFIG \
        --checkpoint CHECKPOINT --out noise_level.png
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

import numpy as np

from mmacda.apis import RestorationInferencer
from mmacda.apis.analysis_command import add_figure_arguments
from mmacda.apis.command_line import (CommandParser, add_device_argument,
                                      add_model_options, run_command)
from mmacda.apis.noise_level import local_noise_level, predict_noise_level
from mmacda.apis.restoration_inferencer import read_picture
from mmacda.io import check_output
from mmacda.visualization.figures import save_figure
from mmacda.visualization.restoration_figures import draw_noise_level


def draw(args: Namespace) -> None:
    """Predict and draw what the command line asks for."""
    paths = [path for path in (args.photo, args.truth) if path]
    check_output(args.out, [*paths, args.config, args.checkpoint])
    pictures = [read_picture(path) for path in paths]
    for path, picture in zip(paths, pictures):
        if picture.dtype != np.uint8 or picture.shape != (
                *pictures[0].shape[:2], 3):
            raise ValueError(f'{path} must have 8 bits, 3 channels and the '
                             f'size of {args.photo}')
    model = RestorationInferencer(args.config, args.checkpoint,
                                  args.device).model
    if not hasattr(model, 'noise_level'):
        raise ValueError(f'the model of {args.config} predicts no noise '
                         'level: it must be a VariationalDenoiser')
    save_figure(
        draw_noise_level(
            pictures[0][..., ::-1], predict_noise_level(model, pictures[0]),
            local_noise_level(*pictures) if args.truth else None), args.out,
        args.dpi)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('photo', help='noisy picture, 8 bits and 3 channels')
    add_model_options(parser)
    parser.add_argument(
        '--truth', help='the same without noise, to draw what is true beside')
    add_figure_arguments(parser, 'noise_level.png')
    add_device_argument(parser)
    run_command(parser, draw)


if __name__ == '__main__':
    main()

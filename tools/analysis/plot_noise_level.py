"""Draw the noise level that a VariationalDenoiser predicts for a photograph.

    python tools/analysis/plot_noise_level.py noisy.png --config CONFIG \
        --checkpoint CHECKPOINT --out noise_level.png
"""
from argparse import (ArgumentParser, Namespace,
                      RawDescriptionHelpFormatter)

import numpy as np

from mmacda.apis import RestorationInferencer
from mmacda.apis.analysis_command import run_command
from mmacda.apis.noise_level import local_noise_level, predict_noise_level
from mmacda.apis.restoration_inferencer import read_picture
from mmacda.visualization.figures import save_figure
from mmacda.visualization.restoration_figures import draw_noise_level


def draw(args: Namespace) -> None:
    """Predict and draw what the command line asks for."""
    paths = [path for path in (args.photo, args.truth) if path]
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
            local_noise_level(*pictures) if args.truth else None), args.out)
    print(args.out)


def main() -> None:
    parser = ArgumentParser(
        description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('photo', help='noisy picture, 8 bits and 3 channels')
    parser.add_argument('--config', required=True, help='config file')
    parser.add_argument('--checkpoint', required=True, help='checkpoint file')
    parser.add_argument(
        '--truth', help='the same without noise, to draw what is true beside')
    parser.add_argument('--out', required=True, help='picture to write, PNG')
    parser.add_argument(
        '--device', help='such as cpu or cuda:1; default: cuda if there is')
    run_command(parser, draw, parser.parse_args())


if __name__ == '__main__':
    main()

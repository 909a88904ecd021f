r"""The filter explorer: a web page about one image and one model.

    python tools/analysis/explore.py work_dirs/demo/patterns.tiff \
        --config configs/patterns/acda_patterns.py \
        --checkpoint work_dirs/demo/acda_patterns/iter_500.pth
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace

import numpy as np
import torch.nn as nn

from mmacda.apis.analysis_command import (add_image_arguments, file_in_format,
                                          input_and_displayed,
                                          model_and_pixels, resized)
from mmacda.apis.command_line import (CommandParser, positive_int,
                                      run_command, status)
from mmacda.apis.inspection import run_model
from mmacda.visualization import CoefficientCapture
from mmacda.visualization.explorer import write_explorer

# Where neither --max-pixels nor --resize is given: of the image, and of all
# coefficients. The page holds 19 MB of what they are.
PIXELS, BYTES = 1_500_000, 200_000_000
PROBE = 96  # pixels, of both sides


def pixels_that_fit(model: nn.Module, image: np.ndarray, layers) -> int:
    """How many pixels an image may have so that memory stays bounded.

    What the layers keep per pixel is measured on a small copy of the image.
    """
    small = resized(image, [min(PROBE, side) for side in image.shape[:2]])
    inputs, _ = input_and_displayed(model, small)
    with CoefficientCapture(model, layers) as captured:
        try:
            run_model(model, inputs)
        except ValueError:  # a network that takes one size alone
            return PIXELS
    kept = sum(found.coefficients.nbytes for found in captured.values())
    per_pixel = kept / inputs.shape[2:].numel()
    return int(min(PIXELS, BYTES / per_pixel))


def reduced(image: np.ndarray, pixels: int) -> np.ndarray:
    """An image of at most so many pixels, and a line where it is smaller."""
    height, width = image.shape[:2]
    if height * width <= pixels:
        return image
    factor = (pixels / (height * width))**0.5
    size = [max(1, int(side * factor)) for side in (height, width)]
    print(f'the image of {height} x {width} pixels is reduced to {size[0]} x '
          f'{size[1]}, so that memory stays bounded: --max-pixels or --resize '
          'chooses another size')
    return resized(image, size)


def explore(args: Namespace) -> None:
    model, image = model_and_pixels(args)
    if args.max_pixels or not args.resize:
        image = reduced(
            image, args.max_pixels
            or pixels_that_fit(model, image, args.layers))
    inputs, shown = input_and_displayed(model, image)
    with CoefficientCapture(model, args.layers) as captured, status(
            'running the network'):
        run_model(model, inputs)
    title = f'{osp.basename(args.image)} in {osp.basename(args.config)}'
    with status('writing the page'):
        size = write_explorer(captured, shown, args.out, title,
                              args.max_channels)
    print(f'{args.out}: {len(captured)} layers, {size / 1e6:.1f} MB')


def main() -> None:
    parser = CommandParser(__doc__)
    add_image_arguments(parser)
    parser.add_argument(
        '--max-channels',
        type=positive_int,
        default=64,
        help='output, and input, channels of each layer whose filters the '
        'page can compose')
    parser.add_argument(
        '--max-pixels',
        type=positive_int,
        help='a larger image is reduced; default: as many as leave the '
        f'coefficients below {BYTES / 1e6:.0f} MB, at most {PIXELS:,}')
    parser.add_argument(
        '--out',
        type=file_in_format('explorer.html', ('.html', '.htm')),
        default='explorer.html',
        help='page to write; default: explorer.html')
    run_command(parser, explore)


if __name__ == '__main__':
    main()

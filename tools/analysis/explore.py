r"""The filter explorer: a web page about one image and one model.

    python tools/analysis/explore.py work_dirs/demo/patterns.tiff \
        --config configs/patterns/acda_patterns.py \
        --checkpoint work_dirs/demo/acda_patterns/iter_500.pth
"""
import os.path as osp
from argparse import Namespace

from mmacda.apis.analysis_command import add_image_arguments, model_and_image
from mmacda.apis.command_line import (CommandParser, output_file,
                                      positive_int, run_command)
from mmacda.apis.inspection import run_model
from mmacda.visualization import CoefficientCapture
from mmacda.visualization.explorer import write_explorer


def explore(args: Namespace) -> None:
    model, inputs, image = model_and_image(args)
    with CoefficientCapture(model, args.layers) as captured:
        run_model(model, inputs)
    title = f'{osp.basename(args.image)} in {osp.basename(args.config)}'
    size = write_explorer(captured, image, args.out, title,
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
    parser.add_argument('--out', type=output_file, default='explorer.html')
    run_command(parser, explore)


if __name__ == '__main__':
    main()

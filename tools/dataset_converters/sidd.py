"""Cut SIDD's training pairs into tiles for mmagic's BasicImageDataset.

    python tools/dataset_converters/sidd.py SIDD_Medium_Srgb

A repeated call goes on where the last one was interrupted.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os
from argparse import Namespace

from mmacda.apis.command_line import (CommandParser, output_folder,
                                      positive_int, run_command)
from mmacda.datasets.sidd import cut_pairs


def convert(args: Namespace) -> None:
    """Cut what the command line asks for."""
    count = cut_pairs(args.root, args.out, args.tile, args.step,
                      args.processes)
    print(f'{count} pairs of tiles in {args.out}')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        'root', help='unpacked SIDD_Medium_Srgb or SIDD_Small_sRGB_Only')
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='data/SIDD/train',
        help='folder to write; default: data/SIDD/train')
    parser.add_argument(
        '--tile',
        type=positive_int,
        default=512,
        help='side of a tile in pixels')
    parser.add_argument(
        '--step',
        type=positive_int,
        default=384,
        help='pixels from tile to tile')
    parser.add_argument(
        '--processes', type=positive_int, default=os.cpu_count() or 1)
    run_command(parser, convert)


if __name__ == '__main__':
    main()

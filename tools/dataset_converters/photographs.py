"""Write scikit-image's photographs, degraded, in SIDD's and RealSR's layout.

    python tools/dataset_converters/photographs.py --out-dir data/photographs

Configs that read them do so on first use; this is for a look at them.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

from mmacda.apis.command_line import CommandParser, output_folder, run_command
from mmacda.datasets.photographs import LAYOUTS, write_photographs


def write(args: Namespace) -> None:
    for layout in args.layouts:
        write_photographs(args.out, layout, args.seed)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='data/photographs',
        help='folder to write; default: data/photographs')
    parser.add_argument(
        '--layouts', nargs='+', choices=LAYOUTS, default=LAYOUTS)
    parser.add_argument(
        '--seed', type=int, default=0, help='of the degradations; default: 0')
    run_command(parser, write)


if __name__ == '__main__':
    main()

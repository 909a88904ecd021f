"""Write scikit-image's photographs, degraded, in SIDD's and RealSR's layout.

Configs that read them do so on first use; this is for a look at them.
"""
from argparse import ArgumentParser

from mmacda.datasets.photographs import LAYOUTS, write_photographs


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        '--out',
        default='data/photographs',
        help='folder to write; default: data/photographs')
    parser.add_argument(
        '--layouts', nargs='+', choices=LAYOUTS, default=LAYOUTS)
    parser.add_argument(
        '--seed', type=int, default=0, help='of the degradations; default: 0')
    args = parser.parse_args()
    for layout in args.layouts:
        write_photographs(args.out, layout, args.seed)


if __name__ == '__main__':
    main()

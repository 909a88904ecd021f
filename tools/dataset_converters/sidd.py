"""Cut SIDD's training pairs into tiles for mmagic's BasicImageDataset.

    python tools/dataset_converters/sidd.py SIDD_Medium_Srgb --out data/SIDD/train

A repeated call goes on where the last one was interrupted.
"""
import os
from argparse import ArgumentParser

from mmacda.datasets.sidd import cut_pairs


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'root', help='unpacked SIDD_Medium_Srgb or SIDD_Small_sRGB_Only')
    parser.add_argument(
        '--out', default='data/SIDD/train', help='folder to write')
    parser.add_argument(
        '--tile', type=int, default=512, help='side of a tile in pixels')
    parser.add_argument(
        '--step', type=int, default=384, help='pixels from tile to tile')
    parser.add_argument(
        '--processes', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.processes < 1:
        parser.error('--processes must be at least 1')
    try:
        count = cut_pairs(args.root, args.out, args.tile, args.step,
                          args.processes)
    except ValueError as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{count} pairs of tiles in {args.out}')


if __name__ == '__main__':
    main()

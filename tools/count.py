"""Count the people in photos.

    python tools/count.py photos --config CONFIG --checkpoint CHECKPOINT \
        --out-dir counted

Each count is printed as soon as it is known. A photo that cannot be read is
named on the error stream and the others are counted; the exit code is then 1.
"""
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.analysis_command import run_command
from mmacda.apis.crowd_counting_inferencer import TILE
from mmacda.apis.photo_arguments import (Failures, add_photo_arguments,
                                         reading_options, tile_of)


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(
        description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('inputs', nargs='+', help='images or folders of them')
    parser.add_argument('--config', required=True, help='config file')
    parser.add_argument('--checkpoint', required=True, help='its weights')
    parser.add_argument(
        '--out-dir', help='folder for pictures: image, heat and count')
    parser.add_argument(
        '--batch-size',
        type=int,
        default=1,
        help='images or tiles of one size that are counted together')
    add_photo_arguments(parser, TILE)
    return parser


def count(args: Namespace) -> None:
    """Count what the command line asks for."""
    failures = Failures(args.stop_on_error)
    inferencer = CrowdCountingInferencer(args.config, args.checkpoint,
                                         args.device)
    for sample in inferencer.stream(
            args.inputs,
            batch_size=args.batch_size,
            tile=tile_of(args),
            overlap=args.overlap,
            out_dir=args.out_dir,
            keep_maps=False,
            on_error=failures.add,
            **reading_options(args)):
        print(f'{sample.img_path}\t{sample.pred_count:.1f}', flush=True)
    if failures.finish():
        sys.exit(1)


def main() -> None:
    parser = build_parser()
    run_command(parser, count, parser.parse_args())


if __name__ == '__main__':
    main()

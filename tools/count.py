"""Count people, cells, or what else a network has learnt, in photos.

    python tools/count.py blood.jpg
    python tools/count.py photo.jpg --config CONFIG --checkpoint CHECKPOINT

The packaged network counts the red cells in microscope pictures of blood.
Each count is printed as soon as it is known. A photo that cannot be read is
named on the error stream and the others are counted; the exit code is then 1.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.command_line import (CommandParser, add_model_options,
                                      output_folder, positive_int,
                                      run_command)
from mmacda.apis.crowd_counting_inferencer import TILE
from mmacda.apis.packaged_models import COUNTING, MODELS
from mmacda.apis.photo_arguments import (Failures, add_photo_arguments,
                                         reading_options, tile_of)


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument('inputs', nargs='+', help='images or folders of them')
    add_model_options(parser, task=COUNTING)
    parser.add_argument(
        '--out-dir',
        type=output_folder,
        help='folder for pictures: image, heat and count')
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        help='images or tiles of one size that are counted together')
    add_photo_arguments(parser, TILE)
    return parser


def count(args: Namespace) -> None:
    """Count what the command line asks for."""
    failures = Failures(args.stop_on_error)
    if args.model is not None:
        print(f'{args.model} {MODELS[args.model].purpose}; --config and '
              '--checkpoint name others', file=sys.stderr)
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
    run_command(make_parser(), count)


if __name__ == '__main__':
    main()

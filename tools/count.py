"""Count the people in photos.

    python tools/count.py photo.jpg --config CONFIG --checkpoint CHECKPOINT
"""
from argparse import Namespace

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.command_line import (CommandParser, add_device_argument,
                                      add_model_options, output_folder,
                                      positive_int, run_command)
from mmacda.apis.crowd_counting_inferencer import OVERLAP


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument('inputs', nargs='+', help='images or folders of them')
    add_model_options(parser)
    parser.add_argument(
        '--out-dir',
        type=output_folder,
        help='folder for pictures: image, heat and count')
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        help='images or tiles of one size that are counted together')
    parser.add_argument(
        '--tile',
        type=int,
        default=2048,
        help='greatest side in pixels of what is counted in one piece; 0 '
        'never cuts. Default: 2048')
    parser.add_argument(
        '--overlap',
        type=int,
        default=OVERLAP,
        help='context around each tile in pixels; the default reaches as far '
        f'as the receptive field of Ad-ResNet-s and -m: {OVERLAP}')
    add_device_argument(parser)
    return parser


def count(args: Namespace) -> None:
    inferencer = CrowdCountingInferencer(args.config, args.checkpoint,
                                         args.device)
    samples = inferencer(
        args.inputs,
        batch_size=args.batch_size,
        tile=args.tile or None,
        overlap=args.overlap,
        out_dir=args.out_dir,
        keep_maps=False)
    for sample in samples:
        print(f'{sample.img_path}\t{sample.pred_count:.1f}')


def main() -> None:
    run_command(make_parser(), count)


if __name__ == '__main__':
    main()

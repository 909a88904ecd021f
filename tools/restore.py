r"""Restore photographs with a trained model.

    python tools/restore.py photo.png --out restored.png --tile 512 \
        --config CONFIG --checkpoint CHECKPOINT
"""
import os.path as osp
from argparse import Namespace

from mmacda.apis import RestorationInferencer
from mmacda.apis.command_line import (CommandParser, add_device_argument,
                                      add_model_options, positive_int,
                                      run_command)


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument('photos', nargs='+', help='pictures of 8 or 16 bits')
    add_model_options(parser)
    parser.add_argument(
        '--out',
        required=True,
        help='file to write; with several photos, a folder')
    parser.add_argument(
        '--tile',
        type=positive_int,
        help='side in pixels of the tiles that are processed one by one, to '
        'save memory; default: the whole photo at once')
    parser.add_argument(
        '--overlap',
        type=int,
        help="margin of the tiles; default: the network's receptive field, "
        'so that no seam can be seen')
    add_device_argument(parser)
    return parser


def restore(args: Namespace) -> None:
    restore = RestorationInferencer(args.config, args.checkpoint, args.device)
    for photo in args.photos:
        out = args.out
        if len(args.photos) > 1 or osp.isdir(out):
            out = osp.join(out, osp.basename(photo))
        restore.file(
            photo, out, tile=args.tile, overlap=args.overlap, progress=True)
        print(out)


def main() -> None:
    run_command(make_parser(), restore)


if __name__ == '__main__':
    main()

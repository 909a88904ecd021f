"""Restore photographs with a trained model.

    python tools/restore.py photo.png --config CONFIG --checkpoint CHECKPOINT \
        --out restored.png --tile 512
"""
import os.path as osp
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from mmacda.apis import RestorationInferencer


def parse_args() -> Namespace:
    parser = ArgumentParser(
        description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument('photos', nargs='+', help='pictures of 8 or 16 bits')
    parser.add_argument('--config', required=True, help='config file')
    parser.add_argument('--checkpoint', required=True, help='checkpoint file')
    parser.add_argument(
        '--out',
        required=True,
        help='file to write; with several photos, a folder')
    parser.add_argument(
        '--tile',
        type=int,
        help='side in pixels of the tiles that are processed one by one, to '
        'save memory; default: the whole photo at once')
    parser.add_argument(
        '--overlap',
        type=int,
        help="margin of the tiles; default: the network's receptive field, "
        'so that no seam can be seen')
    parser.add_argument(
        '--device', help='such as cpu or cuda:1; default: cuda if there is')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    restore = RestorationInferencer(args.config, args.checkpoint, args.device)
    for photo in args.photos:
        out = args.out
        if len(args.photos) > 1 or osp.isdir(out):
            out = osp.join(out, osp.basename(photo))
        restore.file(
            photo, out, tile=args.tile, overlap=args.overlap, progress=True)
        print(out)


if __name__ == '__main__':
    main()

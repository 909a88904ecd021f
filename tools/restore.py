r"""Restore photographs: remove noise, enlarge, or whatever a model does.

    python tools/restore.py photo.png --out clean.png
    python tools/restore.py photo.png --out large.png --model photo-enlarger-x2
    python tools/restore.py photo.png --out restored.png --tile 512 \
        --config CONFIG --checkpoint CHECKPOINT

Several photos, or a folder of them, go into the folder --out under their own
names; a number is added where that would replace a photo or another result.
PNG, TIFF, JPEG and WebP stay what they are, others become PNG. A photo that
cannot be used is named on the error stream and the others are restored; the
exit code is then 1.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace
from typing import List, Tuple

from mmacda.apis import RestorationInferencer
from mmacda.apis.command_line import (CommandParser, add_model_options,
                                      run_command)
from mmacda.apis.images import list_sources
from mmacda.apis.packaged_models import RESTORATION
from mmacda.apis.photo_arguments import (Failures, add_photo_arguments,
                                         reading_options, tile_of)
from mmacda.io import check_output
from mmacda.io.naming import result_paths
from mmacda.io.picture_writer import FORMATS, check_ending
from mmacda.io.tiling import check_tile

TILE = 1024


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        'photos', nargs='+', help='pictures of 8 or 16 bits, or folders')
    add_model_options(parser, task=RESTORATION)
    parser.add_argument(
        '--out',
        required=True,
        help='file to write; with several photos or a folder, a folder')
    add_photo_arguments(parser, TILE)
    return parser


def plan(inputs: List[str], out: str) -> List[Tuple[str, str]]:
    """Photos and where each goes; nothing has been computed or written.

    Raises:
        OSError: If a photo does not exist, or ``out`` cannot be written.
        ValueError: If ``out`` would replace a photo, or is no folder.
    """
    photos = [name for name, _ in list_sources(inputs)]
    several = len(photos) > 1 or osp.isdir(inputs[0])
    if not (several or osp.isdir(out) or out.endswith('/')):
        check_ending(out)
        check_output(out, photos)
        return [(photos[0], out)]
    if osp.splitext(out)[1].lower() in FORMATS and not osp.isdir(out):
        raise ValueError(
            f'--out {out} must be a folder for several photos or a folder of '
            'them')
    names = []
    for photo in photos:
        stem, ending = osp.splitext(osp.basename(photo))
        kept = ending.lower() in FORMATS and ending.lower() != '.bmp'
        names.append(stem + (ending if kept else '.png'))
    return list(zip(photos, result_paths(out, names, photos)))


def restore(args: Namespace) -> None:
    """Restore what the command line asks for."""
    check_tile(tile_of(args), args.overlap)
    planned = plan(args.photos, args.out)
    failures = Failures(args.stop_on_error)
    inferencer = RestorationInferencer(args.config, args.checkpoint,
                                       args.device)
    for photo, out in planned:
        try:
            inferencer.file(
                photo,
                out,
                tile=tile_of(args),
                overlap=args.overlap,
                progress=True,
                **reading_options(args))
        except (OSError, TypeError, ValueError) as error:
            failures.add(photo, error)
        else:
            print(out, flush=True)
    if failures.finish():
        sys.exit(1)


def main() -> None:
    run_command(make_parser(), restore)


if __name__ == '__main__':
    main()

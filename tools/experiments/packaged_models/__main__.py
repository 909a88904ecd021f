"""Pack what was trained, and measure what the package carries.

    python -m tools.experiments.packaged_models --evaluate photo-denoiser
    python tools/train.py configs/packaged/photo-denoiser.py --resume
    python -m tools.experiments.packaged_models --pack photo-denoiser

The tables are printed as they stand in the models' cards; --cards writes them
there. --evaluate without names measures all models.
"""
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

from mmacda.apis.command_line import (CommandParser, UsageError,
                                      run_command)
from mmacda.apis.packaged_models import FOLDER, MODELS, list_models
from tools.experiments.evidence.document import replace_in_file

from .counting import count_cells
from .enlargement import enlarge
from .packing import describe, pack
from .restoration import denoise

TABLES = {
    'photo-denoiser': denoise,
    'photo-enlarger-x2': enlarge,
    'blood-cell-counter': count_cells,
}


def show(name: str, section: str, text: str, args: Namespace) -> None:
    print(f'{name}\n\n{text}\n', flush=True)
    if args.cards:
        replace_in_file(str(FOLDER / f'{name}.md'), section, text)


def run(args: Namespace) -> None:
    if not args.pack and args.evaluate is None:
        raise UsageError('there is nothing to do: give --pack or --evaluate')
    for name in args.pack:
        pack(name, args.work_dirs)
    for name in args.pack:
        show(name, 'file', describe(name), args)
    if args.evaluate is not None:
        for name in args.evaluate or list_models():
            show(name, 'figures', TABLES[name](args.data), args)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--pack',
        nargs='+',
        default=[],
        choices=tuple(MODELS),
        help='models whose last checkpoint goes into the package')
    parser.add_argument(
        '--evaluate',
        nargs='*',
        choices=tuple(MODELS),
        help='models to measure; default: all')
    parser.add_argument(
        '--cards', action='store_true', help='write into the cards')
    parser.add_argument(
        '--work-dirs',
        default='work_dirs',
        help='folder of the trainings; default: work_dirs')
    parser.add_argument(
        '--data', default='data', help='folder of the data; default: data')
    run_command(parser, run)


if __name__ == '__main__':
    main()

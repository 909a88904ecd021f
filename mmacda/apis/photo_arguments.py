"""What the commands that take photographs have in common."""
import sys
from argparse import ArgumentParser, Namespace
from typing import Any, Dict, Optional

from .command_line import add_device_argument, positive_int


def add_photo_arguments(parser: ArgumentParser, tile: int) -> None:
    """Tiles, reading, faults and the device, with one meaning everywhere.

    Args:
        parser (ArgumentParser): Of the command.
        tile (int): Default of ``--tile``.
    """
    parser.add_argument(
        '--tile',
        type=int,
        default=tile,
        help='side in pixels of the tiles that a larger photo is cut into, '
        'without the context that is processed around each; 0 never cuts. '
        f'Default: {tile}')
    parser.add_argument(
        '--overlap',
        type=int,
        help="context around each tile in pixels; default: the network's "
        'receptive field, so that cutting changes nothing')
    parser.add_argument(
        '--white',
        type=positive_int,
        help='white of 16-bit files that hold fewer bits, such as 4095 for '
        '12; default: 65535, or what the file says')
    parser.add_argument(
        '--max-pixels',
        type=positive_int,
        help='refuse larger photos; default: 179 million, which guards '
        'against small files made to fill the memory')
    parser.add_argument(
        '--stop-on-error',
        action='store_true',
        help='end at the first photo that cannot be read')
    add_device_argument(parser)


def tile_of(args: Namespace) -> Optional[int]:
    """``--tile``, where 0 stands for None."""
    return args.tile or None


def reading_options(args: Namespace) -> Dict[str, Any]:
    """Arguments of :func:`mmacda.io.load_picture`."""
    return dict(white=args.white, max_pixels=args.max_pixels)


class Failures:
    """The photographs of a command that could not be used.

    Args:
        stop (bool): Whether the first one ends the command.
    """

    def __init__(self, stop: bool):
        self.stop = stop
        self.number = 0

    def add(self, name: str, error: Exception) -> None:
        """Name a photograph and its fault.

        Raises:
            Exception: The error itself, if the first one is to end it.
        """
        text = str(error)
        if name not in text:
            text = f'{name}: {text}'
        if self.stop:
            raise type(error)(text) from error
        self.number += 1
        print(f'error: {text}', file=sys.stderr, flush=True)

    def finish(self) -> int:
        """Say how many there were."""
        if self.number:
            photos = 'photo' if self.number == 1 else 'photos'
            print(
                f'error: {self.number} {photos} could not be used',
                file=sys.stderr)
        return self.number

"""What the commands of tools/analysis have in common."""
import logging
import os.path as osp
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Callable, Sequence

import mmcv
import numpy as np
import torch.nn as nn
from mmengine.logging import print_log

from ..io import check_output
from . import command_line
from .command_line import (OPTIONAL, CommandParser, add_cfg_options,
                           add_device_argument, positive_int)
from .command_line import run_command as run_command
from .inspection import displayed, preprocess, read_image
from .load_model import load_model


def add_model_arguments(parser: CommandParser) -> None:
    """CONFIG CHECKPOINT, and how a command chooses the model's layers."""
    command_line.add_model_arguments(parser, OPTIONAL)
    _add_layer_options(parser)


def _add_layer_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--layers',
        nargs='+',
        metavar='NAME',
        help='names of adaptive layers, or regular expressions; default: all')
    add_device_argument(parser, 'cpu')
    add_cfg_options(parser)


def add_image_arguments(parser: ArgumentParser) -> None:
    """The image, and by options what :func:`add_model_arguments` takes."""
    parser.add_argument('image', help='an image file')
    parser.add_argument(
        '--resize',
        nargs=2,
        type=positive_int,
        metavar=('HEIGHT', 'WIDTH'),
        help='of the image; default: as it is')
    command_line.add_model_options(parser, OPTIONAL)
    _add_layer_options(parser)


def add_figure_arguments(parser: ArgumentParser, default: str) -> None:
    """Where a figure goes, in which format and how fine."""
    from ..visualization.figures import FORMATS
    parser.add_argument(
        '--out',
        type=file_in_format(default, tuple(FORMATS)),
        default=default,
        help='file to write, whose ending chooses the format '
        f'({", ".join(FORMATS)}), or a folder for {default}; default: '
        f'{default}')
    add_dpi_argument(parser)


def add_dpi_argument(parser: ArgumentParser) -> None:
    """How fine a figure is."""
    from ..visualization.figures import DPI
    parser.add_argument(
        '--dpi',
        type=_dpi,
        default=DPI,
        help='pixels per inch of PNG and JPEG, and of the pictures in PDF and '
        f'SVG, which hold vectors; default: {DPI}, for papers')


def file_in_format(default: str,
                   endings: Sequence[str]) -> Callable[[str], str]:
    """The type of an option that names a file to write, or its folder.

    What cannot be written is refused while the command line is read, before
    anything is computed.

    Args:
        default (str): Name of the file where a folder is given.
        endings (Sequence[str]): Allowed endings, in lower case.

    Returns:
        Callable[[str], str]: For ``add_argument(type=...)``.
    """

    def check(path: str) -> str:
        if osp.isdir(path) or path.endswith(('/', osp.sep)):
            path = osp.join(path, default)
        if osp.splitext(path)[1].lower() not in endings:
            raise ArgumentTypeError(
                f'{path!r} must end in {" or ".join(endings)}, which chooses '
                'the format, or be a folder')
        return command_line.output_file(path)

    return check


def _dpi(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not 10 <= value <= 2400:
        raise ArgumentTypeError('must be a whole number from 10 to 2400, not '
                                f'{text!r}')
    return value


def model_and_image(args: Any) -> tuple:
    """Model, network input and displayed image of parsed arguments.

    Raises:
        OSError: If ``args.out`` cannot be written, or a file is missing.
        ValueError: If it is one of the files that are read, or what is read
            does not fit.
    """
    model, image = model_and_pixels(args)
    return (model, *input_and_displayed(model, image))


def model_and_pixels(args: Any) -> tuple:
    """Model and image of parsed arguments, the latter of :func:`read_image`.

    Raises:
        OSError, ValueError: See :func:`model_and_image`.
    """
    read = [args.image, args.config, args.checkpoint]
    check_output(args.out, [path for path in read if path])
    if args.checkpoint is None:
        print_log(
            'No checkpoint: the weights are those that the config starts with',
            'current', logging.WARNING)
    model = load_model(args.config, args.checkpoint, args.device,
                       args.cfg_options)
    image = read_image(args.image, model)
    return model, resized(image, args.resize) if args.resize else image


def resized(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """An image (H, W, C) at another height and width."""
    image = mmcv.imresize(image, tuple(size[::-1]))
    return image if image.ndim == 3 else image[..., None]


def input_and_displayed(model: nn.Module, image: np.ndarray) -> tuple:
    """Network input (1, C, H, W) of an image, and the image to look at."""
    inputs = preprocess(model, image)
    return inputs, displayed(image, model, inputs.shape[2:])

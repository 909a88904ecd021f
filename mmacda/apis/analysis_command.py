"""What the commands of tools/analysis have in common."""
import logging
from argparse import ArgumentParser
from typing import Any

import mmcv
from mmengine.logging import print_log

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


def model_and_image(args: Any) -> tuple:
    """Model, network input and displayed image of parsed arguments."""
    if args.checkpoint is None:
        print_log(
            'No checkpoint: the weights are those that the config starts with',
            'current', logging.WARNING)
    model = load_model(args.config, args.checkpoint, args.device,
                       args.cfg_options)
    image = read_image(args.image, model)
    if args.resize:
        image = mmcv.imresize(image, tuple(args.resize[::-1]))
        image = image if image.ndim == 3 else image[..., None]
    inputs = preprocess(model, image)
    return model, inputs, displayed(image, model, inputs.shape[2:])

"""What the commands of tools/analysis have in common."""
import logging
from argparse import ArgumentParser
from typing import Any

import mmcv
from mmengine.config import DictAction
from mmengine.logging import print_log

from .inspection import displayed, preprocess, read_image
from .load_model import load_model


def add_model_arguments(parser: ArgumentParser) -> None:
    """The options by which a command chooses a model and its layers."""
    parser.add_argument(
        '--config', required=True, help='config of any model with ACDAConv')
    parser.add_argument('--checkpoint', help='its weights')
    parser.add_argument(
        '--layers',
        nargs='+',
        metavar='NAME',
        help='names of adaptive layers, or regular expressions; default: all')
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')


def add_image_arguments(parser: ArgumentParser) -> None:
    """The image, and the options of :func:`add_model_arguments`."""
    parser.add_argument('image', help='an image file')
    parser.add_argument(
        '--resize',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='of the image; default: as it is')
    add_model_arguments(parser)


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


def run_command(parser: ArgumentParser, command: Any, args: Any) -> None:
    """Run a command; what the user can mend ends in one sentence."""
    try:
        command(args)
    except (OSError, ImportError, TypeError, ValueError) as error:
        parser.error(str(error))

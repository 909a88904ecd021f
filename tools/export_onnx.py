"""Export the model of a config as ONNX and compare it in onnxruntime.

    python tools/export_onnx.py CONFIG CHECKPOINT --out model.onnx
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

from mmacda.apis.command_line import (CommandParser, add_cfg_options,
                                      add_model_arguments, output_file,
                                      positive_int, run_command)
from mmacda.apis.export import DYNAMO_OPSET, MINIMUM_OPSET, export_onnx
from mmacda.apis.load_model import load_model


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    parser.add_argument(
        '--out',
        type=output_file,
        required=True,
        metavar='FILE',
        help='ONNX file to write')
    parser.add_argument(
        '--height',
        type=positive_int,
        default=64,
        help='height to trace with, in pixels; default: 64')
    parser.add_argument(
        '--width',
        type=positive_int,
        default=64,
        help='width to trace with, in pixels; default: 64')
    parser.add_argument(
        '--opset',
        type=int,
        help=f'ONNX opset; default: {MINIMUM_OPSET}, with --dynamo '
        f'{DYNAMO_OPSET}')
    parser.add_argument(
        '--dynamo',
        action='store_true',
        help='by torch.export and onnxscript in place of TorchScript; needs '
        'torch 2.6')
    add_cfg_options(parser)
    return parser


def export(args: Namespace) -> None:
    model = load_model(
        args.config, args.checkpoint, cfg_options=args.cfg_options)
    comparisons = export_onnx(
        model,
        args.out, (args.height, args.width),
        opset=args.opset,
        dynamo=args.dynamo)
    for shape, error in comparisons:
        print(f'{shape}: onnxruntime differs by {error:.1e}')
    preprocessor = getattr(model, 'data_preprocessor', None)
    mean, std = (getattr(preprocessor, n, None) for n in ('mean', 'std'))
    if mean is not None:
        print(f'input: images with mean {mean.flatten().tolist()} and std '
              f'{std.flatten().tolist()} taken out, as in training')
    sizes = {shape[2:] for shape, _ in comparisons}
    print(f'wrote {args.out}: any batch,',
          'any height and width' if len(sizes) > 1 else
          f'{args.height} x {args.width} pixels, which this model needs')


def main() -> None:
    run_command(make_parser(), export)


if __name__ == '__main__':
    main()

"""Export the model of a config as ONNX and compare it in onnxruntime."""
import sys
from argparse import ArgumentParser, Namespace

from mmacda.apis.export import MINIMUM_OPSET, export_onnx
from mmacda.apis.load_model import load_model


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='ONNX file to write')
    parser.add_argument(
        '--height',
        type=int,
        default=64,
        help='height to trace with, in pixels; default: 64')
    parser.add_argument(
        '--width',
        type=int,
        default=64,
        help='width to trace with, in pixels; default: 64')
    parser.add_argument(
        '--opset',
        type=int,
        default=MINIMUM_OPSET,
        help=f'ONNX opset; default: {MINIMUM_OPSET}')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    model = load_model(args.config, args.checkpoint)
    comparisons = export_onnx(
        model, args.out, (args.height, args.width), opset=args.opset)
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


if __name__ == '__main__':
    try:
        main()
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f'error: {error}')

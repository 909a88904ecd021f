"""Count the people in photos."""
from argparse import ArgumentParser, Namespace

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.crowd_counting_inferencer import OVERLAP


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('inputs', nargs='+', help='images or folders of them')
    parser.add_argument('--config', required=True, help='config file')
    parser.add_argument('--checkpoint', required=True, help='its weights')
    parser.add_argument(
        '--out-dir', help='folder for pictures: image, heat and count')
    parser.add_argument(
        '--batch-size',
        type=int,
        default=1,
        help='images or tiles of one size that are counted together')
    parser.add_argument(
        '--tile',
        type=int,
        default=2048,
        help='greatest side in pixels of what is counted in one piece; 0 '
        'never cuts. Default: 2048')
    parser.add_argument(
        '--overlap',
        type=int,
        default=OVERLAP,
        help='context around each tile in pixels; the default reaches as far '
        f'as the receptive field of Ad-ResNet-s and -m: {OVERLAP}')
    parser.add_argument('--device', help='default: the best that there is')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    inferencer = CrowdCountingInferencer(args.config, args.checkpoint,
                                         args.device)
    samples = inferencer(
        args.inputs,
        batch_size=args.batch_size,
        tile=args.tile or None,
        overlap=args.overlap,
        out_dir=args.out_dir,
        keep_maps=False)
    for sample in samples:
        print(f'{sample.img_path}\t{sample.pred_count:.1f}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, TypeError, ValueError) as error:
        raise SystemExit(f'error: {error}')

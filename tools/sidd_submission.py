"""Denoise the blocks of SIDD's benchmark and write a submission.

    python tools/sidd_submission.py CONFIG CHECKPOINT \
        BenchmarkNoisyBlocksSrgb.mat --out submission.csv
"""
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Tuple

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.utils import track_iter_progress

from mmacda.apis.load_model import load_model
from mmacda.datasets.sidd import BLOCKS_SHAPE, load_blocks
from mmacda.evaluation.sidd_submission import check_format, write_submission


def denoise(model: BaseModel, blocks: np.ndarray,
            batch_size: int) -> Tuple[np.ndarray, float]:
    """Denoised blocks, rounded to uint8, and the seconds per megapixel."""
    from mmagic.structures import DataSample

    model.data_preprocessor.data_keys = []  # there is no ground truth
    flat = blocks.reshape(-1, *blocks.shape[2:])
    results = np.empty_like(flat)
    seconds = 0.
    for start in track_iter_progress(range(0, len(flat), batch_size)):
        batch = torch.from_numpy(flat[start:start + batch_size])
        batch = batch.permute(0, 3, 1, 2)
        samples = [
            DataSample(metainfo=dict(img_channel_order='rgb'))
            for _ in batch
        ]
        before = time.perf_counter()
        with torch.no_grad():
            outputs = model.test_step(
                dict(inputs=list(batch), data_samples=samples))
        seconds += time.perf_counter() - before
        for index, output in enumerate(outputs, start):
            # mmagic hands out BGR.
            image = output.output.pred_img.flip(0).permute(1, 2, 0)
            results[index] = image.round().clamp(0, 255).numpy()
    pixels = flat.shape[0] * flat.shape[1] * flat.shape[2]
    return results.reshape(blocks.shape), seconds * 2**20 / pixels


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('blocks', help='BenchmarkNoisyBlocksSrgb.mat')
    parser.add_argument(
        '--out', required=True, help='file to write, .mat or .csv')
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--method', help='name for the .mat form; default: '
                        'that of the config')
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=5,
        default=BLOCKS_SHAPE,
        metavar='N',
        help='expected shape of the blocks; default: that of SIDD')
    args = parser.parse_args()
    try:
        check_format(args.out)
        blocks = load_blocks(args.blocks, tuple(args.shape))
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    model = load_model(args.config, args.checkpoint, args.device)
    denoised, seconds = denoise(model, blocks, args.batch_size)
    method = args.method or Path(args.config).stem
    write_submission(denoised, args.out, seconds, dict(MethodName=method))
    print(f'\n{args.out}: {denoised.shape[0] * denoised.shape[1]} blocks, '
          f'{seconds:.3f} s per megapixel')


if __name__ == '__main__':
    main()

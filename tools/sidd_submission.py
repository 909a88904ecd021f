"""Denoise the blocks of SIDD's benchmark and write a submission.

    python tools/sidd_submission.py CONFIG CHECKPOINT BLOCKS.mat --out out.csv
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

import time
from argparse import Namespace
from pathlib import Path
from typing import Tuple

import numpy as np
from mmengine.utils import track_iter_progress

from mmacda.apis import RestorationInferencer
from mmacda.apis.command_line import (CommandParser, add_device_argument,
                                      add_model_arguments, output_file,
                                      run_command)
from mmacda.datasets.sidd import BLOCKS_SHAPE, load_blocks
from mmacda.evaluation.sidd_submission import check_format, write_submission


def denoise(restore: RestorationInferencer,
            blocks: np.ndarray) -> Tuple[np.ndarray, float]:
    """Denoised RGB blocks, and the seconds per megapixel."""
    results = np.empty_like(blocks)
    start = time.perf_counter()
    for index in track_iter_progress(list(np.ndindex(*blocks.shape[:2]))):
        results[index] = restore(blocks[index][..., ::-1])[..., ::-1]
    seconds = time.perf_counter() - start
    return results, seconds * 2**20 / np.prod(blocks.shape[:4])


def submit(args: Namespace) -> None:
    """Write what the command line asks for."""
    check_format(args.out)
    blocks = load_blocks(args.blocks, tuple(args.shape))
    restore = RestorationInferencer(args.config, args.checkpoint, args.device)
    denoised, seconds = denoise(restore, blocks)
    method = args.method or Path(args.config).stem
    write_submission(denoised, args.out, seconds, dict(MethodName=method))
    print(f'\n{args.out}: {denoised.shape[0] * denoised.shape[1]} blocks, '
          f'{seconds:.3f} s per megapixel')


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    parser.add_argument('blocks', help='BenchmarkNoisyBlocksSrgb.mat')
    parser.add_argument(
        '--out',
        type=output_file,
        required=True,
        help='file to write, .mat or .csv')
    parser.add_argument(
        '--method', help='name in a .mat; default: that of the config')
    add_device_argument(parser)
    parser.add_argument(
        '--shape',
        type=int,
        nargs=5,
        default=BLOCKS_SHAPE,
        metavar='N',
        help='expected shape of the blocks; default: that of SIDD')
    run_command(parser, submit)


if __name__ == '__main__':
    main()

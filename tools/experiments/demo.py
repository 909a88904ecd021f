"""The main job: the paper's layer against a standard convolution.

1. Section 3.3 and Figure 6: multi-scale patterns on noise, one layer each.
2. LeNet and LeNet + ACDA on real handwritten digits, through mmpretrain.

    python tools/experiments/demo.py --out work_dirs/demo
"""
import argparse
import os.path as osp
import time

import cv2
import numpy as np
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.visualization.figures import (SCREEN_DPI, draw_curves,
                                          draw_detection, save_figure)

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIGS = osp.join(ROOT, 'configs')
SHIFT = 20  # pixels, as in the paper


def train(config: str, work_dir: str, seed: int = 0) -> Runner:
    """Train a config of this repository and return its runner."""
    cfg = Config.fromfile(osp.join(CONFIGS, config))
    cfg.work_dir = work_dir
    cfg.randomness = dict(seed=seed, deterministic=True)
    cfg.experiment_name = f'{osp.basename(work_dir)}_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@torch.no_grad()
def detect(runner: Runner, shift: int) -> dict:
    """Input, target and the detector's map for a scene shifted by pixels."""
    dataset = dict(runner.cfg.dataset, shift=shift)
    sample = DATASETS.build(dataset)[0]
    runner.model.eval()
    output = runner.model(sample['inputs'][None])[0]
    return dict(
        input=sample['inputs'][0].numpy(),
        target=sample['target'][0].numpy(),
        output=output[0].numpy())


def shift_error(straight: np.ndarray, shifted: np.ndarray,
                margin: int) -> float:
    """Largest difference between a moved map and the map of a moved input.

    Pixels within ``margin`` of the border or of the seam see zero padding.
    """
    size = straight.shape[0]
    moved = shifted[SHIFT + margin:size - margin, SHIFT + margin:size - margin]
    still = straight[margin:size - SHIFT - margin, margin:size - SHIFT -
                     margin]
    return float(np.abs(moved - still).max())


def patterns(out: str, console: Console) -> None:
    results, rows = {}, [{}, {}]
    for name, config in (('Conv', 'conv'), ('ACDA', 'acda')):
        runner = train(f'patterns/{config}_patterns.py',
                       osp.join(out, f'{config}_patterns'))
        maps = [detect(runner, 0), detect(runner, SHIFT)]
        errors = [float(((found['output'] - found['target'])**2).mean())
                  for found in maps]
        error = shift_error(maps[0]['output'], maps[1]['output'], margin=8)
        results[name] = errors[0], error
        for row, found, mse in zip(rows, maps, errors):
            row.setdefault('input', found['input'])
            row.setdefault('ground truth', found['target'])
            row[f'{name}, MSE {mse:.2e}'] = found['output']
    # For tools/analysis. TIFF keeps the values as the layer takes them.
    cv2.imwrite(osp.join(out, 'patterns.tiff'), rows[0]['input'])
    save_figure(
        draw_detection(rows, ('training image', f'shifted by {SHIFT} pixels')),
        osp.join(out, 'patterns.png'), SCREEN_DPI)
    table = Table(title='Section 3.3: 25 patterns at three scales, one layer')
    for column in ('layer', 'MSE', 'relative to Conv', 'shift error (max)'):
        table.add_column(column)
    for name, (mse, error) in results.items():
        table.add_row(name, f'{mse:.2e}', f'{mse / results["Conv"][0]:.3f}',
                      f'{error:.1e}')
    console.print(table)


def error_curve(runner: Runner) -> np.ndarray:
    """Test error in % after each epoch."""
    history = runner.message_hub.get_scalar('val/accuracy/top1')
    return 100 - np.array(history.data[0])


def complexity(runner: Runner) -> tuple:
    """Parameters and multiply-adds of the classifier for one image."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        found = get_model_complexity_info(
            runner.model.eval(), (1, 20, 20), show_table=False,
            show_arch=False)
    return found['params'], found['flops']


def first_digit(runner: Runner) -> np.ndarray:
    """The first test image as the classifier takes it, uint8 (20, 20)."""
    sample = runner.val_dataloader.dataset[0]
    return sample['inputs'][0].numpy()


def digits(out: str, seeds: int, console: Console) -> None:
    table = Table(title=f'1,797 handwritten digits, {seeds} seeds')
    for column in ('model', 'test error %: mean', 'min to max', 'parameters',
                   'FLOPs'):
        table.add_column(column)
    curves = {}
    for name, config in (('LeNet', 'lenet'), ('LeNet + ACDA', 'lenet-acda')):
        runs = []
        for seed in range(seeds):
            runner = train(f'lenet/{config}_digits.py',
                           osp.join(out, f'{config}_digits_{seed}'), seed)
            runs.append(error_curve(runner))
        curves[name] = np.stack(runs)
        final = curves[name][:, -1]
        params, flops = complexity(runner)
        table.add_row(name, f'{final.mean():.2f}',
                      f'{final.min():.2f} to {final.max():.2f}',
                      f'{params / 1e3:.1f} k', f'{flops / 1e6:.2f} M')
    cv2.imwrite(osp.join(out, 'digit.png'), first_digit(runner))
    save_figure(
        draw_curves(curves, 'epoch', 'test error in %',
                    f'Digits: mean and range of {seeds} seeds'),
        osp.join(out, 'digits.png'), SCREEN_DPI)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', default='work_dirs/demo', help='folder')
    parser.add_argument(
        '--seeds', type=int, default=3, help='runs per model on the digits')
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error('--seeds must be at least 1')
    start = time.time()
    console = Console(width=100)
    with console.capture() as capture:
        patterns(args.out, console)
        digits(args.out, args.seeds, console)
    print(capture.get())
    print(f'pictures: {osp.join(args.out, "patterns.png")}, '
          f'{osp.join(args.out, "digits.png")}; '
          f'{time.time() - start:.0f} s')


if __name__ == '__main__':
    main()

"""The main job: the paper's layer against a standard convolution.

    python tools/experiments/demo.py --out-dir work_dirs/demo

1. Section 3.3 and Figure 6: multi-scale patterns on noise, one layer each.
2. LeNet and LeNet + ACDA on real handwritten digits, through mmpretrain.

Trainings that are finished are kept; --fresh trains them anew.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
import time
from argparse import Namespace
from typing import Callable

import cv2
import numpy as np
import torch
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.apis.command_line import (CommandParser, output_folder,
                                      positive_int, run_command)
from mmacda.apis.complexity import count_model
from mmacda.apis.read_config import read_config
from mmacda.apis.terminal import ExperimentRunner
from mmacda.io import read_picture, whole_path
from mmacda.visualization.figures import (SCREEN_DPI, draw_curves,
                                          draw_detection, save_figure)
from tools.experiments.finished import Outcome, Training, once

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIGS = osp.join(ROOT, 'configs')
SHIFT = 20  # pixels, as in the paper
MAPS, DIGIT = 'maps.npz', 'digit.png'  # in the folders of trainings


def train(experiment: str, row: str, config: str, work_dir: str,
          find: Callable[[Runner], Outcome], keeps: str, args: Namespace,
          seed: int = 0) -> dict:
    """Train a config of this repository once; the record."""
    cfg = read_config(osp.join(CONFIGS, config))
    cfg.randomness = dict(seed=seed, deterministic=True)

    def run(cfg) -> Outcome:
        runner = ExperimentRunner.from_cfg(cfg)
        runner.train()
        return find(runner)

    return once(
        Training(experiment, row, f'configs/{config}', cfg, {}, seed,
                 work_dir), run, args.fresh, False, [keeps])


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


def keep_detections(runner: Runner) -> Outcome:
    """Measure the detector, and keep its maps for the picture."""
    found = [detect(runner, 0), detect(runner, SHIFT)]
    arrays = {f'{name}_{number}': array
              for number, maps in enumerate(found)
              for name, array in maps.items()}
    with whole_path(osp.join(runner.work_dir, MAPS)) as path:
        np.savez(path, **arrays)
    errors = [float(((maps['output'] - maps['target'])**2).mean())
              for maps in found]
    outputs = [maps['output'] for maps in found]
    return Outcome(
        dict(mse=errors[0], mse_shifted=errors[1],
             shift_error=shift_error(*outputs, margin=8)))


def patterns(args: Namespace, console: Console) -> None:
    results, rows = {}, [{}, {}]
    for name, config in (('Conv', 'conv'), ('ACDA', 'acda')):
        folder = osp.join(args.out, f'{config}_patterns')
        results[name] = train('demo', name, f'patterns/{config}_patterns.py',
                              folder, keep_detections, MAPS, args)['metrics']
        errors = results[name]['mse'], results[name]['mse_shifted']
        with np.load(osp.join(folder, MAPS)) as found:
            for number, (row, mse) in enumerate(zip(rows, errors)):
                row.setdefault('input', found[f'input_{number}'])
                row.setdefault('ground truth', found[f'target_{number}'])
                row[f'{name}, MSE {mse:.2e}'] = found[f'output_{number}']
    # For tools/analysis. TIFF keeps the values as the layer takes them.
    write_image(osp.join(args.out, 'patterns.tiff'), rows[0]['input'])
    save_figure(
        draw_detection(rows, ('training image', f'shifted by {SHIFT} pixels')),
        osp.join(args.out, 'patterns.png'), SCREEN_DPI)
    table = Table(title='Section 3.3: 25 patterns at three scales, one layer')
    for column in ('layer', 'MSE', 'relative to Conv', 'shift error (max)'):
        table.add_column(column)
    for name, found in results.items():
        table.add_row(name, f'{found["mse"]:.2e}',
                      f'{found["mse"] / results["Conv"]["mse"]:.3f}',
                      f'{found["shift_error"]:.1e}')
    console.print(table)


def write_image(path: str, image: np.ndarray) -> None:
    """An image whose values are kept as they are."""
    with whole_path(path) as temporary:
        cv2.imwrite(temporary, image)


def error_curve(runner: Runner) -> np.ndarray:
    """Test error in % after each epoch."""
    history = runner.message_hub.get_scalar('val/accuracy/top1')
    return 100 - np.array(history.data[0])


def complexity(runner: Runner) -> tuple:
    """Parameters and multiply-adds of the classifier for one image."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return count_model(runner.model, (1, 20, 20))[:2]


def first_digit(runner: Runner) -> np.ndarray:
    """The first test image as the classifier takes it, uint8 (20, 20)."""
    sample = runner.val_dataloader.dataset[0]
    return sample['inputs'][0].numpy()


def measure_digits(runner: Runner) -> Outcome:
    """Test errors by epoch, and the cost; keeps the first digit."""
    errors = error_curve(runner)
    params, flops = complexity(runner)
    write_image(osp.join(runner.work_dir, DIGIT), first_digit(runner))
    return Outcome(
        dict(test_error=float(errors[-1])),
        dict(test_error=errors.tolist()), int(params), float(flops))


def digits(args: Namespace, console: Console) -> None:
    table = Table(title=f'1,797 handwritten digits, {args.seeds} seeds')
    for column in ('model', 'test error %: mean', 'min to max', 'parameters',
                   'FLOPs'):
        table.add_column(column)
    curves = {}
    for name, config in (('LeNet', 'lenet'), ('LeNet + ACDA', 'lenet-acda')):
        found = []
        for seed in range(args.seeds):
            folder = osp.join(args.out, f'{config}_digits_{seed}')
            found.append(
                train('demo', name, f'lenet/{config}_digits.py', folder,
                      measure_digits, DIGIT, args, seed))
        curves[name] = np.array([r['curves']['test_error'] for r in found])
        final = curves[name][:, -1]
        table.add_row(name, f'{final.mean():.2f}',
                      f'{final.min():.2f} to {final.max():.2f}',
                      f'{found[0]["parameters"] / 1e3:.1f} k',
                      f'{found[0]["flops"] / 1e6:.2f} M')
    digit = read_picture(osp.join(folder, DIGIT))
    write_image(osp.join(args.out, 'digit.png'), digit)
    save_figure(
        draw_curves(curves, 'epoch', 'test error in %',
                    f'Digits: mean and range of {args.seeds} seeds'),
        osp.join(args.out, 'digits.png'), SCREEN_DPI)
    console.print(table)


def demonstrate(args: Namespace) -> None:
    """Train what is missing, print both tables and draw the pictures."""
    start = time.time()
    console = Console(width=100)
    with console.capture() as capture:
        patterns(args, console)
        digits(args, console)
    print(capture.get())
    print(f'pictures: {osp.join(args.out, "patterns.png")}, '
          f'{osp.join(args.out, "digits.png")}; '
          f'{time.time() - start:.0f} s')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='work_dirs/demo',
        help='folder of trainings and pictures; default: work_dirs/demo')
    parser.add_argument(
        '--seeds',
        type=positive_int,
        default=3,
        help='runs per model on the digits; default: 3')
    parser.add_argument(
        '--fresh',
        action='store_true',
        help='train anew what is finished as well')
    run_command(parser, demonstrate)


if __name__ == '__main__':
    main()

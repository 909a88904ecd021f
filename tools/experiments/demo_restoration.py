"""Restoration of real photographs: ACDA against its convolutional twin.

    python tools/experiments/demo_restoration.py --out-dir work_dirs/photos

Trains on degraded photographs that scikit-image ships, tests on others of
them, prints PSNR and SSIM beside the input's and draws crops side by side:

1. denoising: ACDA, its twin, and ACDA + VDNet;
2. a stand-in for real super-resolution, x4: ACDA and its twin.

What is finished is kept, an interrupted training goes on where it ended.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
import time
from argparse import Namespace
from typing import Dict, List, NamedTuple, Tuple

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.apis.command_line import (CommandParser, output_folder,
                                      positive_int, run_command)
from mmacda.apis.read_config import read_config
from mmacda.apis.terminal import ExperimentRunner
from mmacda.apis.noise_level import local_noise_level
from mmacda.evaluation.image_quality import psnr, to_uint8
from mmacda.io import read_picture, whole_path
from mmacda.visualization.figures import SCREEN_DPI, save_figure
from mmacda.visualization.restoration_figures import (CropRow, draw_crops,
                                                      draw_noise_level)
from tools.experiments.finished import Outcome, Training, once

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIGS = osp.join(ROOT, 'configs')
CROP = 96  # pixels


class Task(NamedTuple):
    """One degradation.

    Args:
        name (str): Of its files.
        title (str): Of its table.
        degraded (str): What the input is called.
        configs (Dict[str, str]): Model and config.
        crops (Dict[str, Tuple[int, int]]): How the file name of a test
            picture begins, and the top left corner of what is drawn of it.
    """

    name: str
    title: str
    degraded: str
    configs: Dict[str, str]
    crops: Dict[str, Tuple[int, int]]


TASKS = (
    Task(
        'denoising', 'Denoising: camera noise that varies over the picture',
        'noisy input', {
            'twin (conv)': 'denoising/acda-restorer-conv_photographs-noise.py',
            'ACDA': 'denoising/acda-restorer_photographs-noise.py',
            'ACDA + VDNet': 'denoising/acda-vdn_photographs-noise.py',
        }, {
            '0026': (100, 180),
            '0030': (60, 190),
            '0032': (235, 335)
        }),
    Task(
        'super-resolution',
        'Real super-resolution, x4: blur that varies over the picture',
        'bicubic', {
            'twin (conv)': 'real_sr/acda-restorer-conv_photographs-x4.py',
            'ACDA': 'real_sr/acda-restorer_photographs-x4.py',
        }, {
            'Canon_001': (100, 180),
            'Canon_002': (60, 190),
            'Canon_003': (235, 335)
        }),
)


def load_config(config: str, seed: int, data: str, iterations: int) -> Config:
    """Config of one training."""
    cfg = read_config(osp.join(CONFIGS, config))
    cfg.randomness = dict(seed=seed)
    cfg.train_cfg.max_iters = iterations
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    schedulers = cfg.param_scheduler
    for scheduler in schedulers if isinstance(schedulers, list) else [
            schedulers]:
        if 'T_max' in scheduler:
            scheduler.T_max = iterations
    cfg.default_hooks.checkpoint.update(
        save_best=None, max_keep_ckpts=1, interval=min(250, iterations))
    # The pictures are drawn here.
    cfg.default_hooks.visualization.enable = False
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = data
    return cfg


def run(row: str, config: str, seed: int, task: Task,
        args: Namespace) -> Tuple[Dict[str, float], str]:
    """Train, test and keep some restored pictures, once.

    Returns:
        Tuple[Dict[str, float], str]: The metrics, ``input/...`` those of the
        input; and the folder.
    """
    pictures = list(task.crops)

    def train(cfg: Config) -> Outcome:
        runner = ExperimentRunner.from_cfg(cfg)
        runner.train()
        return Outcome(measure(runner, pictures))

    stem = osp.splitext(osp.basename(config))[0]
    folder = osp.join(args.out, f'{stem}_{args.iterations}_seed{seed}')
    cfg = load_config(config, seed, osp.join(args.out, 'photographs'),
                      args.iterations)
    keeps = [f'{picture}_{name}.png' for picture in pictures
             for name in ('input', 'truth', 'output')]
    record = once(
        Training('demo_restoration', row, f'configs/{config}', cfg,
                 dict(iterations=args.iterations), seed, folder), train,
        args.fresh, keeps=keeps)
    return record['metrics'], folder


def measure(runner: Runner, pictures: List[str]) -> Dict[str, float]:
    """Metrics of the test and of its input; some pictures are kept."""
    runner.test()
    main = runner.cfg.test_evaluator
    main = main.get('metrics', main) if isinstance(main, dict) else main
    metric = METRICS.build(main[0])
    results = {
        name: float(
            runner.message_hub.get_scalar(f'test/{metric.prefix}/{name}')
            .current())
        for name in ('PSNR', 'SSIM', 'SSIM-2d', 'SSIM-3d')
        if f'test/{metric.prefix}/{name}' in runner.message_hub.log_scalars
    }
    found = _save_pictures(runner, metric, runner.work_dir, pictures)
    return {**results, **{name: float(v) for name, v in found.items()}}


@torch.no_grad()
def _save_pictures(runner: Runner, metric, work_dir: str,
                   pictures: List[str]) -> Dict[str, float]:
    """Keep chosen pictures; the metrics of all inputs."""
    dataset = runner.test_loop.dataloaders[0].dataset
    for index in range(len(dataset)):
        sample = dataset[index]
        pair = [v.flip(0) for v in (sample['inputs'],
                                    sample['data_samples'].gt_img)]  # BGR
        metric.process(
            None, [dict(output=dict(pred_img=pair[0]), gt_img=pair[1])])
        file = osp.basename(sample['data_samples'].gt_path)
        picture = next((p for p in pictures if file.startswith(p)), None)
        if picture is None:
            continue
        model = runner.model
        batch = dict(
            inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        output, = model.test_step(batch)
        images = dict(
            input=pair[0], truth=pair[1], output=output.output.pred_img)
        for name, image in images.items():
            mmcv.imwrite(
                to_uint8(image), osp.join(work_dir, f'{picture}_{name}.png'))
        if hasattr(model, 'noise_level'):
            inputs = model.data_preprocessor(batch, False)['inputs']
            level = model.noise_level(inputs)
            with whole_path(
                    osp.join(work_dir, f'{picture}_level.npy')) as path:
                np.save(path, level[0].mean(0).cpu().numpy())
    means = metric.compute_metrics(metric.results)
    return {f'input/{name}': value for name, value in means.items()}


def read(work_dir: str, picture: str, name: str) -> np.ndarray:
    """A kept picture as RGB."""
    return read_picture(osp.join(work_dir, f'{picture}_{name}.png'), 3)


def draw(task: Task, folders: Dict[str, str], out: str) -> List[str]:
    """Write the figures of a task; their paths."""
    rows = []
    for picture, corner in task.crops.items():
        first = next(iter(folders.values()))
        truth = read(first, picture, 'truth')
        versions = {task.degraded: read(first, picture, 'input')}
        versions.update((name, read(folder, picture, 'output'))
                        for name, folder in folders.items())
        notes = {
            name: f'{psnr(image, truth):.2f} dB'
            for name, image in versions.items()
        }
        versions['ground truth'] = truth
        rows.append(CropRow(truth, corner, versions, notes))
    paths = [osp.join(out, f'{task.name}.png')]
    save_figure(
        draw_crops(rows, CROP, f'{task.title}. PSNR of the whole picture'),
        paths[0], SCREEN_DPI)
    for folder in folders.values():
        picture = next(iter(task.crops))
        level = osp.join(folder, f'{picture}_level.npy')
        if osp.exists(level):
            paths.append(osp.join(out, 'noise_level.png'))
            noisy, truth = (
                read(folder, picture, name) for name in ('input', 'truth'))
            save_figure(
                draw_noise_level(noisy, np.load(level),
                                 local_noise_level(noisy, truth)), paths[-1],
                SCREEN_DPI)
    return paths


def add_row(table: Table, name: str, runs: List[Dict[str, float]],
            metrics: List[str]) -> None:
    """Means over the seeds and, with several, their range."""
    cells = [name]
    for metric in metrics:
        values = [run[metric] for run in runs]
        digits = 2 if metric.endswith('PSNR') else 4
        text = f'{np.mean(values):.{digits}f}'
        if len(values) > 1 and max(values) > min(values):
            text += f' ({min(values):.{digits}f} to {max(values):.{digits}f})'
        cells.append(text)
    table.add_row(*cells)


def demonstrate(args: Namespace) -> None:
    """Train what is missing, print the tables and draw the pictures."""
    start = time.time()
    console = Console(width=100)
    paths = []
    with console.capture() as capture:
        for task in TASKS:
            if task.name not in args.tasks:
                continue
            results: Dict[str, list] = {}
            folders: Dict[str, str] = {}
            for seed in range(args.seeds):
                for name, config in task.configs.items():
                    found, folder = run(name, config, seed, task, args)
                    results.setdefault(name, []).append(found)
                    folders.setdefault(name, folder)
            paths += draw(task, folders, args.out)
            console.print(make_table(task, results, args.iterations))
    print(capture.get())
    print(f'pictures: {", ".join(paths)}; {time.time() - start:.0f} s')


def make_table(task: Task, results: Dict[str, List[Dict[str, float]]],
               iterations: int) -> Table:
    """A row per model, below that of the input."""
    measured = next(iter(results.values()))[0]
    metrics = [m for m in measured if not m.startswith('input/')]
    table = Table(title=f'{task.title}; {iterations} iterations', min_width=88)
    for column in ('', *metrics):
        table.add_column(column)
    add_row(table, task.degraded,
            [{m: measured[f'input/{m}'] for m in metrics}], metrics)
    for name, runs in results.items():
        add_row(table, name, runs, metrics)
    return table


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='work_dirs/demo-restoration',
        help='folder; default: work_dirs/demo-restoration')
    parser.add_argument(
        '--iterations',
        type=positive_int,
        default=1500,
        help='of every training; default: 1500')
    parser.add_argument(
        '--seeds',
        type=positive_int,
        default=1,
        help='trainings per model; default: 1')
    parser.add_argument(
        '--tasks',
        nargs='+',
        choices=[task.name for task in TASKS],
        default=[task.name for task in TASKS])
    parser.add_argument(
        '--fresh', action='store_true', help='train anew what is finished')
    run_command(parser, demonstrate)


if __name__ == '__main__':
    main()

"""Train a network with ACDA and its 3x3 twin on drawn crowds; compare them.

    python tools/experiments/counting_comparison.py --seeds 3

Each is trained with several seeds and tested with its last weights. Runs that
are finished are not repeated, an interrupted one goes on where it was.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace
from typing import Dict, List

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from rich.console import Console
from rich.table import Table

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.command_line import (CommandParser, add_cfg_options,
                                      output_folder, positive_int,
                                      run_command)
from mmacda.apis.read_config import read_config
from mmacda.apis.terminal import ExperimentRunner
from mmacda.datasets.transforms import density_map
from mmacda.visualization.density import draw_densities, save_picture
from tools.experiments.finished import Outcome, Training, once

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIGS = osp.join(ROOT, 'configs', 'counting')
NETWORKS = {
    'ACDA': 'ad-resnet-s_synthetic.py',
    'Conv 3x3': 'ad-resnet-s-conv_synthetic.py'
}


def load_config(name: str, seed: int, args: Namespace) -> Config:
    """Config of one run."""
    cfg = read_config(osp.join(CONFIGS, name), args.cfg_options)
    if args.epochs is not None:
        cfg.train_cfg.max_epochs = args.epochs
        cfg.param_scheduler[-1].T_max = args.epochs
    cfg.randomness = dict(seed=seed)
    return cfg


def run(network: str, seed: int, args: Namespace, work_dir: str) -> dict:
    """The record of one run: the metrics of its test, and its seconds."""

    def train(cfg: Config) -> Outcome:
        runner = ExperimentRunner.from_cfg(cfg)
        runner.train()
        metrics = runner.test()
        return Outcome(
            {name: float(value) for name, value in metrics.items()})

    config = NETWORKS[network]
    return once(
        Training('counting_comparison', network, f'configs/counting/{config}',
                 load_config(config, seed, args), args.cfg_options or {},
                 seed, work_dir), train, args.fresh)


def table(results: Dict[str, List[dict]]) -> Table:
    """MAE and MSE of all seeds, side by side."""
    rows = Table(title='Drawn crowds, test set; MSE is the root')
    for column in ('network', 'seed', 'MAE', 'MSE', 'minutes'):
        rows.add_column(column)
    for name, runs in results.items():
        values = np.array([[
            r['metrics']['counting/mae'], r['metrics']['counting/mse'],
            r['seconds'] / 60
        ] for r in runs])
        for seed, line in enumerate(values):
            rows.add_row(name, str(seed), *(f'{v:.2f}' for v in line))
        rows.add_row(f'[bold]{name}', 'mean',
                     *(f'[bold]{v:.2f}' for v in values.mean(0)))
        rows.add_section()
    return rows


def draw(configs: Dict[str, Config], folders: Dict[str, str]) -> np.ndarray:
    """Images of the test set with few, some and many people; a row each.

    Input, ground truth, and what each network sees.
    """
    counters = {
        name: CrowdCountingInferencer(
            cfg, _last(folders[name]), show_progress=False)
        for name, cfg in configs.items()
    }
    dataset = DATASETS.build(
        next(iter(configs.values())).test_dataloader.dataset)
    order = sorted(
        range(len(dataset)),
        key=lambda index: dataset.get_data_info(index)['gt_count'])
    rows = []
    for part in (0.1, 0.5, 0.9):
        sample = dataset[order[round(part * (len(order) - 1))]]
        image = sample['inputs'].permute(1, 2, 0).numpy()
        truth = sample['data_samples']
        maps = {
            f'ground truth: {truth.gt_count}':
            density_map(truth.gt_points.numpy(), image.shape[:2])
        }
        for name, counter in counters.items():
            counted, = counter(image)
            maps[f'{name}: {counted.pred_count:.1f}'] = \
                counted.pred_density[0].numpy()
        rows.append(
            draw_densities(np.ascontiguousarray(image[..., ::-1]), maps))
    return np.concatenate(rows)


def _last(folder: str) -> str:
    with open(osp.join(folder, 'last_checkpoint'), encoding='utf-8') as file:
        return file.read().strip()


def compare(args: Namespace) -> None:
    """Train what is missing, print the table and draw the picture."""
    folders = {
        name: osp.join(args.out, osp.splitext(config)[0])
        for name, config in NETWORKS.items()
    }
    results: Dict[str, List[dict]] = {name: [] for name in NETWORKS}
    for seed in range(args.seeds):  # so that there is soon one of each
        for name in NETWORKS:
            results[name].append(
                run(name, seed, args, f'{folders[name]}_seed{seed}'))
    picture = draw(
        {
            name: load_config(config, 0, args)
            for name, config in NETWORKS.items()
        }, {name: f'{folder}_seed0'
            for name, folder in folders.items()})
    path = osp.join(args.out, 'counting.png')
    save_picture(picture, path)
    Console(width=80).print(table(results))
    print(f'picture of seed 0: {path}')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='work_dirs/counting_comparison',
        help='folder of the runs, table and picture')
    parser.add_argument(
        '--seeds', type=positive_int, default=3, help='runs per network')
    parser.add_argument(
        '--epochs',
        type=positive_int,
        help='default: as many as the config has')
    parser.add_argument(
        '--fresh', action='store_true', help='train anew what is finished')
    add_cfg_options(parser)
    run_command(parser, compare)


if __name__ == '__main__':
    main()

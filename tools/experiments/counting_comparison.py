"""Train a network with ACDA and its 3x3 twin on drawn crowds; compare them.

Each is trained with several seeds and tested with its last weights. Runs that
are finished are not repeated, an interrupted one goes on where it was.

    python tools/experiments/counting_comparison.py \
        --out work_dirs/counting_comparison
"""
import hashlib
import json
import os
import os.path as osp
import time
from argparse import ArgumentParser, Namespace
from typing import Dict, List

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.apis import CrowdCountingInferencer
from mmacda.datasets.transforms import density_map
from mmacda.visualization.density import draw_densities, save_picture

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIGS = osp.join(ROOT, 'configs', 'counting')
NETWORKS = {
    'ACDA': 'ad-resnet-s_synthetic.py',
    'Conv 3x3': 'ad-resnet-s-conv_synthetic.py'
}


def load_config(name: str, seed: int, args: Namespace) -> Config:
    """Config of one run."""
    cfg = Config.fromfile(osp.join(CONFIGS, name))
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.epochs is not None:
        cfg.train_cfg.max_epochs = args.epochs
        cfg.param_scheduler[-1].T_max = args.epochs
    cfg.randomness = dict(seed=seed)
    return cfg


def run(cfg: Config, work_dir: str) -> dict:
    """Train and test, or read what was tested before.

    Returns:
        dict: Metrics of the test, and ``seconds`` of training and testing.

    Raises:
        ValueError: If the folder holds a run of another config.
    """
    digest = hashlib.sha256(cfg.dump().encode()).hexdigest()
    path = osp.join(work_dir, 'result.json')
    if osp.isfile(path):
        with open(path, encoding='utf-8') as file:
            result = json.load(file)
        if result['config'] != digest:
            raise ValueError(f'{work_dir} holds a run of another config: '
                             'remove it or choose another --out')
        return result
    start = time.time()
    cfg.work_dir, cfg.resume = work_dir, True
    cfg.experiment_name = f'{osp.basename(work_dir)}_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    result = dict(runner.test(), config=digest, seconds=time.time() - start)
    with open(f'{path}.part', 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)
    os.replace(f'{path}.part', path)
    return result


def table(results: Dict[str, List[dict]]) -> Table:
    """MAE and MSE of all seeds, side by side."""
    rows = Table(title='Drawn crowds, test set; MSE is the root')
    for column in ('network', 'seed', 'MAE', 'MSE', 'minutes'):
        rows.add_column(column)
    for name, runs in results.items():
        values = np.array([[r['counting/mae'], r['counting/mse'],
                            r['seconds'] / 60] for r in runs])
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


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--out',
        default='work_dirs/counting_comparison',
        help='folder of the runs, table and picture')
    parser.add_argument(
        '--seeds', type=int, default=3, help='runs per network')
    parser.add_argument(
        '--epochs', type=int, help='default: as many as the config has')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error('--seeds must be at least 1')
    if args.epochs is not None and args.epochs < 1:
        parser.error('--epochs must be at least 1')
    return args


def main() -> None:
    args = parse_args()
    folders = {
        name: osp.join(args.out, osp.splitext(config)[0])
        for name, config in NETWORKS.items()
    }
    results: Dict[str, List[dict]] = {name: [] for name in NETWORKS}
    for seed in range(args.seeds):  # so that there is soon one of each
        for name, config in NETWORKS.items():
            results[name].append(
                run(load_config(config, seed, args),
                    f'{folders[name]}_seed{seed}'))
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


if __name__ == '__main__':
    main()

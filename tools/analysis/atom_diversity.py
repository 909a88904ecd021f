"""Section A.5: how much the filters of one image differ, over a dataset.

    python tools/analysis/atom_diversity.py CONFIG CHECKPOINT --split test
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace
from copy import deepcopy
from typing import Any, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner
from torch.utils.data import Subset

from mmacda.apis.analysis_command import (add_figure_arguments,
                                          add_model_arguments)
from mmacda.apis.command_line import CommandParser, progress, run_command
from mmacda.apis.load_model import load_model
from mmacda.visualization.diversity import atom_diversity
from mmacda.visualization.figures import save_figure
from mmacda.visualization.measurement_figures import draw_diversity


def sample_loader(cfg: Config, split: str, max_images: int,
                  seed: int) -> Tuple[Any, int, int]:
    """A loader of randomly chosen images, their number, and that of all.

    Raises:
        ValueError: If the config has no such split.
    """
    loader = deepcopy(cfg.get(f'{split}_dataloader'))
    if isinstance(loader, list):
        loader = loader[0]
    if not loader:
        raise ValueError(f'{cfg.filename} has no {split}_dataloader: choose '
                         'another --split')
    with DefaultScope.overwrite_default_scope(
            cfg.get('default_scope', 'mmengine')):
        dataset = DATASETS.build(loader.pop('dataset'))
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        total = len(dataset)
        chosen = np.arange(total)
        if total > max_images:
            rng = np.random.default_rng(seed)
            chosen = np.sort(rng.choice(total, max_images, replace=False))
        loader.pop('batch_sampler', None)
        loader.update(
            sampler=dict(type='DefaultSampler', shuffle=False),
            drop_last=False)
        # The subset hides the dataset's own methods, which samplers ask for.
        return Runner.build_dataloader(
            dict(loader, dataset=Subset(dataset, chosen.tolist()))
        ), len(chosen), total


def measure(args: Namespace) -> None:
    if args.max_images < 2:
        raise ValueError('--max-images must be at least 2')
    model = load_model(args.config, args.checkpoint, args.device,
                       args.cfg_options)
    loader, used, total = sample_loader(model.cfg, args.split,
                                        args.max_images, args.seed)
    found = atom_diversity(model, progress(loader, 'images', len(loader)),
                           args.layers, total)
    print(f'{used} of {total} images of the {args.split} split; all pairs of '
          'positions; +- standard error')
    rows = {}
    for name, scales in found.items():
        rows[name] = {str(scale): (mean.mean, mean.standard_error)
                      for scale, mean in scales.items()}
        print(f'{name}: ' + ', '.join(
            f'{"mean over scales" if scale == "mean" else f"scale {scale}"} '
            f'{mean:.4f} +- {error:.4f}'
            for scale, (mean, error) in rows[name].items()))
    save_figure(
        draw_diversity(rows, f'{used} of {total} images, {args.split} split'),
        args.out, args.dpi)
    print(args.out)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='test')
    parser.add_argument(
        '--max-images',
        type=int,
        default=1000,
        help='a random sample of this size if there are more')
    parser.add_argument('--seed', type=int, default=0, help='of the sample')
    add_figure_arguments(parser, 'atom_diversity.png')
    run_command(parser, measure)


if __name__ == '__main__':
    main()

"""Table B: number of atoms and of scales, on photographs, at a small budget.

    python tools/analysis/ablation.py --out-dir work_dirs/ablation

Trains ACDARestorer on degraded photographs that scikit-image ships, once per
cell; cells that are done are kept, one that was interrupted goes on from its
last checkpoint.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
import time
from argparse import Namespace
from typing import Any, Dict, List, Sequence, Tuple

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmacda.apis.analysis_command import add_dpi_argument
from mmacda.apis.command_line import (CommandParser, UsageError,
                                      add_cfg_options, add_model_arguments,
                                      output_folder, positive_int, progress,
                                      run_command)
from mmacda.apis.read_config import read_config
from mmacda.visualization.figures import FORMATS, save_figure
from mmacda.visualization.measurement_figures import draw_ablation
from tools.experiments.finished import Outcome, Training, once

ROOT = osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__))))
CONFIG = osp.join(ROOT, 'configs', 'real_sr',
                  'acda-restorer_photographs-x4.py')
ATOMS, SCALES = (3, 5, 7, 9, 11, 13, 15), (1, 2, 3, 4, 5)
FIXED_ATOMS, FIXED_SCALES = 6, 3  # of a sweep, what the paper adopts
CHECKPOINTS = 4  # per cell
Cell = Tuple[int, int]

# Table B of the paper, RealSR Final: PSNR and SSIM.
PAPER_ATOMS = {3: (30.52, .858), 5: (30.68, .866), 7: (30.73, .868),
               9: (30.74, .868), 11: (30.75, .869), 13: (30.73, .866),
               15: (30.74, .868)}
PAPER_SCALES = {1: (30.63, .866), 2: (30.73, .868), 3: (30.72, .868),
                4: (30.70, .865), 5: (30.69, .866)}


def cells_of(atoms: Sequence[int], scales: Sequence[int],
             full: bool) -> List[Cell]:
    """The cells to train: two sweeps as in Table B, or their product."""
    if full:
        return [(m, s) for s in scales for m in atoms]
    return list(dict.fromkeys([(m, FIXED_SCALES) for m in atoms] +
                              [(FIXED_ATOMS, s) for s in scales]))


def cell_config(args: Namespace, cell: Cell) -> Config:
    """The config of one cell."""
    atoms, scales = cell
    cfg = read_config(args.config)
    generator = cfg.get('model', {}).get('generator')
    if generator is None:
        raise UsageError(f'{args.config} is no config of a restorer: its '
                         'model has no generator')
    generator.update(
        num_blocks=args.num_blocks,
        mid_channels=args.mid_channels,
        acda_cfg=dict(
            num_atoms=atoms, scales=tuple(range(3, 2 * scales + 2, 2))))
    cfg.train_cfg.update(max_iters=args.iters, val_interval=args.iters + 1)
    cfg.param_scheduler.T_max = args.iters
    cfg.default_hooks.checkpoint.update(
        interval=max(1, args.iters // CHECKPOINTS), max_keep_ckpts=1,
        save_best=None)
    # RealSR's own protocol; the pictures of the test are not wanted.
    cfg.val_evaluator = dict(
        type='Evaluator', metrics=[dict(type='RealSRMetric')])
    cfg.default_hooks.visualization.enable = False
    cfg.log_level = 'ERROR'
    cfg.randomness = dict(seed=args.seed)
    return read_config(cfg, args.cfg_options)


class Progress(Hook):
    """A bar over the iterations of a training."""

    def __init__(self, what: str):
        self.what = what

    def before_train(self, runner: Any) -> None:
        self.bar = iter(progress(
            range(runner.iter, runner.max_iters), self.what))
        next(self.bar, None)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        next(self.bar, None)


def run_cell(args: Namespace, cell: Cell) -> Dict[str, float]:
    """PSNR and SSIM of one cell, from its record if it is finished."""

    def train(cfg: Config) -> Outcome:
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Progress(f'{cell[0]} atoms, {cell[1]} scales'))
        runner.train()
        runner.val()
        scalars = runner.message_hub.get_scalar
        return Outcome({
            name: float(scalars(f'val/RealSR/{name}').current())
            for name in ('PSNR', 'SSIM')
        })

    name = f'm{cell[0]}_s{cell[1]}'
    record = once(
        Training('ablation', name, args.config, cell_config(args, cell),
                 args.cfg_options or {}, args.seed,
                 osp.join(args.out_dir, name)),
        train, args.fresh)
    return record['metrics']


def format_results(results: Dict[Cell, Dict[str, float]]) -> str:
    """A line per cell, with the paper's where Table B has it."""
    lines = [f'{"atoms":>6}{"scales":>7}{"PSNR":>8}{"SSIM":>8}'
             "    paper, RealSR Final"]
    for (atoms, scales), result in results.items():
        paper = PAPER_ATOMS.get(atoms) if scales == FIXED_SCALES \
            else PAPER_SCALES.get(scales) if atoms == FIXED_ATOMS else None
        if (atoms, scales) == (FIXED_ATOMS, FIXED_SCALES):
            paper = PAPER_SCALES[scales]
        text = f'{paper[0]:.2f} / {paper[1]:.3f}' if paper else '-'
        lines.append(f'{atoms:>6}{scales:>7}{result["PSNR"]:>8.3f}'
                     f'{result["SSIM"]:>8.4f}    {text}')
    return '\n'.join(lines)


def ablate(args: Namespace) -> None:
    results: Dict[Cell, Dict[str, float]] = {}
    cells = cells_of(args.atoms, args.scales, args.full)
    for number, cell in enumerate(cells, 1):
        start = time.time()
        results[cell] = run_cell(args, cell)
        print(f'[{number}/{len(cells)}] {cell[0]} atoms, {cell[1]} scales: '
              f'PSNR {results[cell]["PSNR"]:.3f}, SSIM '
              f'{results[cell]["SSIM"]:.4f} ({time.time() - start:.0f} s)',
              flush=True)
    print(f'{args.iters} iterations, {args.num_blocks} blocks of '
          f'{args.mid_channels} channels, seed {args.seed}')
    print(format_results(results))
    path = osp.join(args.out_dir, f'ablation.{args.format}')
    save_figure(draw_ablation(results), path, args.dpi)
    print(path)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, checkpoint='', default=CONFIG)
    parser.add_argument(
        '--out-dir',
        '--out',
        type=output_folder,
        default='work_dirs/ablation',
        help='folder of trainings and picture; default: work_dirs/ablation')
    parser.add_argument(
        '--atoms', type=positive_int, nargs='+', default=ATOMS)
    parser.add_argument(
        '--format',
        choices=[ending[1:] for ending in FORMATS],
        default='png',
        help='of the figure; default: png')
    add_dpi_argument(parser)
    parser.add_argument(
        '--scales', type=positive_int, nargs='+', default=SCALES)
    parser.add_argument(
        '--full',
        action='store_true',
        help='every number of atoms with every number of scales; without it, '
        f'atoms at {FIXED_SCALES} scales and scales at {FIXED_ATOMS} atoms')
    parser.add_argument('--iters', type=positive_int, default=300)
    parser.add_argument('--num-blocks', type=positive_int, default=2)
    parser.add_argument('--mid-channels', type=positive_int, default=32)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--fresh', action='store_true', help='train anew what is finished')
    add_cfg_options(parser)
    run_command(parser, ablate)


if __name__ == '__main__':
    main()

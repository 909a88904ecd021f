"""Show the warm start: convert a trained network and train it further.

    python tools/experiments/warm_start.py --epochs 2

Trains the network of the config (the digits by default), converts it with
ReplaceConvs in several ways, and prints the accuracy of the original, right
after the conversion, and after a few more epochs. What is finished is kept.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import copy
import os.path as osp
from argparse import Namespace
from statistics import mean
from typing import Dict, Tuple

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.apis.command_line import (OPTIONAL, CommandParser, UsageError,
                                      add_cfg_options, add_model_arguments,
                                      output_folder, positive_int,
                                      run_command)
from mmacda.apis.load_model import build_model, load_weights
from mmacda.apis.read_config import read_config
from mmacda.layers import replace_convs
from mmacda.models.replace_convs import init_quietly
from tools.experiments.finished import Outcome, Training, once

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIG = osp.join(ROOT, 'configs', 'replace',
                  'resnet18-small_1xb64_digits.py')
PAPER = dict(type='ACDAConv', scales=(3, 5, 7))
CASES = [('projected, direct atoms, m = 9',
          dict(type='ACDAConv', atom_bases=None, num_atoms=9), 'project'),
         ('projected, scales 3 5 7, m = 9', dict(PAPER, num_atoms=9),
          'project'), ('projected, scales 3 5 7, m = 6', PAPER, 'project'),
         ('cold start, scales 3 5 7, m = 6', PAPER, None)]


def accuracy(runner: Runner) -> float:
    return float(runner.val()['accuracy/top1'])


def load_config(args: Namespace) -> Config:
    """Config of the original; the last checkpoint is kept."""
    cfg = read_config(args.config)
    if 'model' not in cfg:
        raise UsageError(f'{args.config} has no model')
    cfg.merge_from_dict(
        dict(log_level='ERROR', randomness=dict(seed=0), launcher='none'))
    read_config(cfg, args.cfg_options)
    cfg.load_from = None
    cfg.default_hooks.checkpoint.update(save_last=True, max_keep_ckpts=1)
    cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs + 1
    return cfg


def training(name: str, cfg: Config, args: Namespace) -> Training:
    return Training('warm_start', name, args.config, cfg,
                    args.cfg_options or {}, 0, osp.join(args.work_dir, name))


def train_original(cfg: Config, args: Namespace) -> Tuple[str, float]:
    """Checkpoint and accuracy of the network that is converted."""
    checkpoint = args.checkpoint or osp.join(
        args.work_dir, 'original', f'epoch_{cfg.train_cfg.max_epochs}.pth')

    def train(cfg: Config) -> Outcome:
        runner = Runner.from_cfg(cfg)
        if not args.checkpoint:
            print('training the original ...', flush=True)
            runner.train()
        return Outcome(dict(accuracy=accuracy(runner)))

    cfg = copy.deepcopy(cfg)
    cfg.load_from = args.checkpoint
    record = once(
        training('original', cfg, args), train, args.fresh,
        resume=not args.checkpoint,
        keeps=() if args.checkpoint else [osp.basename(checkpoint)])
    return checkpoint, record['metrics']['accuracy']


def train_converted(name: str, cfg: Config, args: Namespace) -> dict:
    """Accuracy at once and after some epochs, and the parameters."""

    def train(cfg: Config) -> Outcome:
        runner = Runner.from_cfg(cfg)
        init_quietly(runner.model)
        at_once = accuracy(runner)
        runner.train()
        parameters = sum(p.numel() for p in runner.model.parameters())
        return Outcome(
            dict(at_once=at_once, after=accuracy(runner)),
            parameters=parameters)

    return once(training(name, cfg, args), train, args.fresh, resume=False)


def energy_kept(cfg: Config, checkpoint: str, conv_cfg: dict,
                init: str) -> str:
    """How much of the filters of the original a conversion keeps."""
    model = build_model(cfg)
    load_weights(model, checkpoint)
    report = replace_convs(model, conv_cfg, init=init)
    energies = [r.energy for r in report.replaced if r.energy is not None]
    return f'{mean(energies):.1%}' if energies else '-'


def show(args: Namespace) -> None:
    """Train what is missing and print the table."""
    cfg = load_config(args)
    checkpoint, before = train_original(cfg, args)
    cfg.train_cfg.max_epochs = args.epochs
    cfg.optim_wrapper.optimizer.lr = args.lr
    table = Table(title=f'accuracy of the original: {before:.2f} %')
    for column in ('converted', 'parameters', 'energy kept', 'at once',
                   'drop', f'after {args.epochs} epochs'):
        table.add_column(column, justify='right', no_wrap=True)
    for number, (title, conv_cfg, init) in enumerate(CASES):
        print(f'{title} ...', flush=True)
        case = copy.deepcopy(cfg)
        case.model = ConfigDict(
            cfg.model,
            type='WithReplacedConvs',
            original=cfg.model.type,
            replace=dict(
                conv_cfg=conv_cfg, checkpoint=checkpoint, init=init))
        record = train_converted(f'case_{number}', case, args)
        found: Dict[str, float] = record['metrics']
        table.add_row(
            title, f'{record["parameters"] / 1e6:.2f}M',
            energy_kept(cfg, checkpoint, conv_cfg, init),
            f'{found["at_once"]:.2f}', f'{before - found["at_once"]:.2f}',
            f'{found["after"]:.2f}')
    Console(width=110).print(table)


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, OPTIONAL, default=CONFIG)
    parser.add_argument(
        '--epochs',
        type=positive_int,
        default=2,
        help='after the conversion; default: 2')
    parser.add_argument(
        '--lr', type=float, default=0.01, help='after the conversion')
    parser.add_argument(
        '--out-dir',
        '--work-dir',
        dest='work_dir',
        type=output_folder,
        default='work_dirs/warm_start',
        help='folder of trainings; default: work_dirs/warm_start')
    parser.add_argument(
        '--fresh', action='store_true', help='train anew what is finished')
    add_cfg_options(parser)
    run_command(parser, show)


if __name__ == '__main__':
    main()

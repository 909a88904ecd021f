"""Show the warm start: convert a trained network and train it further.

Trains the network of the config (the digits by default), converts it with
ReplaceConvs in several ways, and prints the accuracy of the original, right
after the conversion, and after a few more epochs.
"""
import argparse
import copy
import os.path as osp
from statistics import mean

from mmengine.config import Config, ConfigDict, DictAction
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from mmacda.layers import replace_convs

ROOT = osp.abspath(osp.join(osp.dirname(__file__), '..', '..'))
CONFIG = osp.join(ROOT, 'configs', 'replace',
                  'resnet18-small_1xb64_digits.py')
PAPER = dict(type='ACDAConv', scales=(3, 5, 7))
CASES = [('projected, direct atoms, m = 9',
          dict(type='ACDAConv', atom_bases=None, num_atoms=9), 'project'),
         ('projected, scales 3 5 7, m = 9', dict(PAPER, num_atoms=9),
          'project'), ('projected, scales 3 5 7, m = 6', PAPER, 'project'),
         ('cold start, scales 3 5 7, m = 6', PAPER, None)]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', nargs='?', default=CONFIG)
    parser.add_argument(
        '--checkpoint', help='of the original; trained first if not given')
    parser.add_argument('--epochs', type=int, default=2, help='after it')
    parser.add_argument('--lr', type=float, default=0.01, help='after it')
    parser.add_argument('--work-dir', default='work_dirs/warm_start')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def build_runner(cfg: Config, name: str, work_dir: str) -> Runner:
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = osp.join(work_dir, name)
    cfg.experiment_name = name
    return Runner.from_cfg(cfg)


def accuracy(metrics: dict) -> float:
    return metrics['accuracy/top1']


def main():
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(
        dict(log_level='ERROR', randomness=dict(seed=0), launcher='none'))
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.default_hooks.checkpoint = dict(
        type='WholeCheckpointHook', save_last=True, max_keep_ckpts=1)

    cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs + 1

    cfg.load_from = args.checkpoint
    runner = build_runner(cfg, 'original', args.work_dir)
    if not args.checkpoint:
        print('training the original ...', flush=True)
        runner.train()
        args.checkpoint = osp.join(runner.work_dir,
                                   f'epoch_{runner.max_epochs}.pth')
    original, before = runner.model, accuracy(runner.val())
    cfg.load_from = None
    cfg.train_cfg.max_epochs = args.epochs
    cfg.optim_wrapper.optimizer.lr = args.lr

    table = Table(title=f'accuracy of the original: {before:.2f} %')
    for column in ('converted', 'parameters', 'energy kept', 'at once',
                   'drop', f'after {args.epochs} epochs'):
        table.add_column(column, justify='right', no_wrap=True)
    for number, (title, conv_cfg, init) in enumerate(CASES):
        print(f'{title} ...', flush=True)
        report = replace_convs(copy.deepcopy(original), conv_cfg, init=init)
        energies = [r.energy for r in report.replaced if r.energy is not None]
        case = copy.deepcopy(cfg)
        case.model = ConfigDict(
            type='ReplaceConvs',
            model=cfg.model,
            conv_cfg=conv_cfg,
            checkpoint=args.checkpoint,
            init=init)
        runner = build_runner(case, f'case_{number}', args.work_dir)
        converted = accuracy(runner.val())
        parameters = sum(p.numel() for p in runner.model.parameters())
        runner.train()
        tuned = accuracy(runner.val())
        table.add_row(
            title, f'{parameters / 1e6:.2f}M',
            f'{mean(energies):.1%}' if energies else '-', f'{converted:.2f}',
            f'{before - converted:.2f}', f'{tuned:.2f}')
    Console(width=110).print(table)


if __name__ == '__main__':
    main()

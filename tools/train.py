"""Train the model of a config, ours or of any framework.

    python tools/train.py configs/lenet/lenet-acda_digits.py
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace

from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

import mmacda.patches  # noqa: F401  AMP on CPUs, whole checkpoints
from mmacda.apis.command_line import (CommandParser, UsageError,
                                      add_model_arguments, run_command)
from mmacda.apis.runner_command import (add_common_arguments, build_runner,
                                        load_config)
from mmacda.registry_types import is_type


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, checkpoint='')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint; without a value, from the latest '
        'one in the work folder, if any')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the actual total batch size over '
        "the config's auto_scale_lr.base_batch_size")
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='start the data workers anew every epoch')
    add_common_arguments(parser)
    return parser


def enable_amp(cfg: Config) -> None:
    """Switch every optimizer wrapper of a config to mixed precision.

    Raises:
        UsageError: If a wrapper is of a kind that has no such twin.
    """
    if cfg.get('optim_wrapper') is None:
        raise UsageError('--amp needs an optim_wrapper in the config')
    wrappers = [cfg.optim_wrapper]
    if 'optimizer' not in cfg.optim_wrapper:  # one wrapper per sub-module
        wrappers = [w for w in cfg.optim_wrapper.values()
                    if isinstance(w, dict)]
    for wrapper in wrappers:
        if not any(
                is_type(wrapper, OPTIM_WRAPPERS, kind, default=OptimWrapper)
                for kind in (OptimWrapper, AmpOptimWrapper,
                             'AmpOptimWrapper')):
            raise UsageError('--amp supports optimizer wrappers of type '
                             'OptimWrapper, but the config has '
                             f'{wrapper["type"]}')
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def merge_args(cfg: Config, args: Namespace) -> None:
    """Bring the options of training into a config.

    Raises:
        UsageError: If they ask for what the config or the disk lacks.
    """
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        enable_amp(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
        if cfg.load_from and '://' not in cfg.load_from and not osp.isfile(
                cfg.load_from):
            raise UsageError(f'--resume {cfg.load_from}: there is no such '
                             'file')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise UsageError('--auto-scale-lr needs '
                             'auto_scale_lr.base_batch_size in the config')
        cfg.auto_scale_lr.enable = True
    if args.no_persistent_workers:
        for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(key) is not None:
                cfg[key].persistent_workers = False


def train(args: Namespace) -> None:
    cfg = load_config(args)
    merge_args(cfg, args)
    build_runner(cfg, args).train()


def main() -> None:
    run_command(make_parser(), train)


if __name__ == '__main__':
    main()

"""Train a model of any config of this repository."""
from argparse import ArgumentParser, Namespace

from mmengine.config import Config

import mmacda.patches  # noqa: F401  AMP on CPUs, whole checkpoints
from mmacda.apis.command_line import (add_common_arguments, build_runner,
                                      load_config)


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
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
    return parser.parse_args()


def enable_amp(cfg: Config) -> None:
    """Switch every optimizer wrapper of a config to mixed precision.

    Raises:
        ValueError: If a wrapper is of a kind that has no such twin.
    """
    wrappers = [cfg.optim_wrapper]
    if 'optimizer' not in cfg.optim_wrapper:  # one wrapper per sub-module
        wrappers = [w for w in cfg.optim_wrapper.values()
                    if isinstance(w, dict)]
    for wrapper in wrappers:
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise ValueError('--amp supports optimizer wrappers of type '
                             f'OptimWrapper, but the config has {kind}')
        wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')


def merge_args(cfg: Config, args: Namespace) -> None:
    """Bring the options of training into a config."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        enable_amp(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError('--auto-scale-lr needs '
                             'auto_scale_lr.base_batch_size in the config')
        cfg.auto_scale_lr.enable = True
    if args.no_persistent_workers:
        for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(key) is not None:
                cfg[key].persistent_workers = False


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    merge_args(cfg, args)
    build_runner(cfg, args).train()


if __name__ == '__main__':
    main()

"""Evaluate a checkpoint with any config of this repository."""
import os
import os.path as osp
from argparse import ArgumentParser, Namespace
from typing import Optional

import mmengine
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook

import mmacda.patches  # noqa: F401  AMP on CPUs, whole checkpoints
from mmacda.apis.command_line import (add_common_arguments, build_runner,
                                      load_config)


def parse_args() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='write results to this file: .pkl for predictions; .json, .yml '
        'or .pkl for metrics')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        default='pred',
        help='what --out writes; default: pred')
    parser.add_argument(
        '--show-dir', help='draw the predictions into this folder')
    parser.add_argument(
        '--show', action='store_true', help='draw them in a window')
    parser.add_argument(
        '--interval', type=int, default=1, help='draw every n-th sample')
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds that --show keeps each window')
    add_common_arguments(parser)
    return parser.parse_args()


def merge_args(cfg: Config, args: Namespace) -> None:
    """Bring the options of testing into a config."""
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        if 'visualization' not in cfg.get('default_hooks', {}):
            raise ValueError('--show and --show-dir need a visualization '
                             'hook in default_hooks of the config')
        cfg.default_hooks.visualization.update(
            enable=True,
            show=args.show,
            wait_time=args.wait_time,
            out_dir=args.show_dir,
            interval=args.interval)


class MetricsWriter(Hook):
    """Writes the metrics of a test; not every loop returns them."""

    def __init__(self, path: str):
        self.path = path

    def after_test_epoch(self, runner, metrics: Optional[dict] = None) -> None:
        if metrics is not None and is_main_process():
            write_metrics(metrics, self.path)


def write_metrics(metrics: dict, path: str) -> None:
    """Write metrics in the format that the file's extension names."""
    os.makedirs(osp.dirname(osp.abspath(path)), exist_ok=True)
    stem, extension = osp.splitext(path)
    temporary = f'{stem}.{os.getpid()}{extension}'
    mmengine.dump(metrics, temporary)
    os.replace(temporary, path)


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    merge_args(cfg, args)
    runner = build_runner(cfg, args)
    if args.out and args.out_item == 'metrics':
        runner.register_hook(MetricsWriter(args.out), 'LOWEST')
    elif args.out:
        if not hasattr(runner.test_loop, 'evaluator'):
            raise ValueError(
                f'{type(runner.test_loop).__name__} has several evaluators, '
                'which --out-item pred does not support; use metrics')
        runner.test_evaluator.metrics.append(
            DumpResults(out_file_path=args.out))
    runner.test()


if __name__ == '__main__':
    main()

"""Test a checkpoint with its config, ours or of any framework.

    python tools/test.py CONFIG CHECKPOINT --show-dir work_dirs/drawn
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(abspath(__file__))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace
from typing import Optional

import mmengine
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook

import mmacda.patches  # noqa: F401  whole checkpoints
from mmacda.apis.command_line import (CommandParser, UsageError,
                                      add_model_arguments, output_file,
                                      output_folder, positive_int,
                                      run_command)
from mmacda.apis.runner_command import (add_common_arguments, build_runner,
                                        load_config)
from mmacda.io import whole_path


def make_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_model_arguments(parser)
    parser.add_argument(
        '--out',
        type=output_file,
        metavar='FILE',
        help='write results to this file: .pkl for predictions; .json, .yml '
        'or .pkl for metrics')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        default='pred',
        help='what --out writes; default: pred')
    parser.add_argument(
        '--show-dir',
        type=output_folder,
        help='draw the predictions into this folder')
    parser.add_argument(
        '--show', action='store_true', help='draw them in a window')
    parser.add_argument(
        '--interval',
        type=positive_int,
        default=1,
        help='draw every n-th sample')
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds that --show keeps each window')
    add_common_arguments(parser)
    return parser


def check_formats(args: Namespace) -> None:
    """Refuse an ending of --out before anything is computed.

    Raises:
        UsageError: If no format goes by it.
    """
    endings = ('.pkl', '.pickle')
    if args.out_item == 'metrics':
        endings += ('.json', '.yml', '.yaml')
    if args.out and not args.out.endswith(endings):
        raise UsageError(f'--out {args.out}: --out-item {args.out_item} is '
                         f'written as {", ".join(endings)}')


def merge_args(cfg: Config, args: Namespace) -> None:
    """Bring the options of testing into a config.

    Raises:
        UsageError: If the config lacks what they ask for.
    """
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if cfg.get('test_cfg') is None or cfg.get('test_dataloader') is None:
        raise UsageError(f'{args.config} has no test_dataloader with its '
                         'test_cfg')
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        if 'visualization' not in cfg.get('default_hooks', {}):
            raise UsageError('--show and --show-dir need a visualization '
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
    with whole_path(path) as temporary:
        mmengine.dump(metrics, temporary)


def test(args: Namespace) -> None:
    check_formats(args)
    cfg = load_config(args)
    merge_args(cfg, args)
    runner = build_runner(cfg, args)
    if args.out and args.out_item == 'metrics':
        runner.register_hook(MetricsWriter(args.out), 'LOWEST')
    elif args.out:
        if not hasattr(runner.test_loop, 'evaluator'):
            raise UsageError(
                f'{type(runner.test_loop).__name__} has several evaluators, '
                'which --out-item pred does not support; use metrics')
        runner.test_evaluator.metrics.append(
            DumpResults(out_file_path=args.out))
    runner.test()


def main() -> None:
    run_command(make_parser(), test)


if __name__ == '__main__':
    main()

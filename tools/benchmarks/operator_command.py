"""What operator.py does; that file's name is one of Python's own modules."""
import time
from typing import Any, Dict

import torch

from mmacda.apis.command_line import (CommandParser, UsageError, output_folder,
                                      positive_int, run_command)
from mmacda.testing.large_cases import GPU_CASES, LARGE_CASES, paper_layer

from . import growth, half, layer_sweep, memory, models, speed, sweep
from .common import RESULTS, Report, prepare_gpu

SECTIONS = ('speed', 'memory', 'sweep', 'growth', 'layer-sweep')
QUICK = [paper_layer(1, 8, 12)]


def make_parser(doc):
    parser = CommandParser(doc)
    parser.add_argument(
        '--sections', nargs='*', choices=SECTIONS, default=SECTIONS,
        help='none of them: --sections --models')
    parser.add_argument(
        '--models', action='store_true', help='whole layers and networks too')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='tiny layers and two rounds, to see that it runs')
    parser.add_argument(
        '--cases',
        nargs='+',
        choices=[str(case) for case in GPU_CASES],
        help='of speed and memory; default: all, the largest on a GPU only')
    parser.add_argument('--rounds', type=positive_int, default=7)
    parser.add_argument('--threads', type=positive_int, default=2)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument(
        '--dtype',
        nargs='+',
        choices=('float32', 'bfloat16', 'float16'),
        help='default: float32, on a GPU bfloat16 too')
    parser.add_argument(
        '--sweep-cases', type=int, default=20, help='random ones')
    parser.add_argument('--seed', type=int, default=0, help='of the sweep')
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default=str(RESULTS),
        help='folder for the rows')
    return parser


def measure(args) -> None:
    """Measure what the command line asks for.

    Raises:
        GateError: If a backend is wrong: nothing of it is timed.
        UsageError: If there is no such device.
    """
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise UsageError('PyTorch finds no GPU here: nothing was measured')
    torch.set_num_threads(args.threads)
    dtypes = args.dtype or ['float32']
    timed = LARGE_CASES
    if args.device == 'cuda':
        dtypes, timed = args.dtype or ['bfloat16', 'float32'], GPU_CASES
        prepare_gpu()
    rounds = 2 if args.quick else args.rounds
    cases = QUICK if args.quick else [
        case for case in GPU_CASES
        if (str(case) in args.cases if args.cases else case in timed)
    ]
    report = Report(args.device, args.out)
    start = time.perf_counter()
    for section in args.sections:
        for report.dtype in dtypes:
            run_section(section, report, cases, rounds, args)
        print(f'rows: {report.write(section)}', flush=True)
    report.dtype = 'float32'
    if args.models:
        sizes: Dict[str, Any] = dict(
            layers=[(1, 256, 64, 64), (4, 128, 28, 28), (8, 64, 32, 32),
                    (2, 64, 112, 112)],
            images=(4, 3, 224, 224),
            archs='sm')
        if args.quick:
            sizes = dict(
                layers=[(1, 16, 12, 12)], images=(1, 3, 64, 64), archs='s')
        models.run(
            report, rounds=min(rounds, 5), device=args.device, **sizes)
        print(f'rows: {report.write(models.SECTION)}')
        if args.device == 'cpu':
            half.run(report, sizes['layers'], min(rounds, 5))
            print(f'rows: {report.write(half.SECTION)}')
    print(f'{report.summary()} in {time.perf_counter() - start:.0f} s')


def run_section(section, report, cases, rounds, args) -> None:
    common: Dict[str, Any] = dict(
        device=args.device, dtype=getattr(torch, report.dtype))
    if section == 'speed':
        speed.run(report, cases, rounds, **common)
    elif section == 'memory':
        memory.run(report, cases, **common)
    elif section == 'layer-sweep':
        if report.dtype != 'float32':  # it knows of float32 alone
            return
        count = 2 if args.quick else 2 * args.sweep_cases
        layer_sweep.run(report, layer_sweep.draw(count, args.seed),
                        min(rounds, 5), args.device)
    elif section == 'sweep':
        if args.quick:
            cases = sweep.all_cases(0, args.seed)[-2:]
        else:
            cases = sweep.all_cases(args.sweep_cases, args.seed)
            rounds = min(rounds, 5)
        sweep.run(report, cases, rounds, **common)
    else:
        sizes: Dict[str, Any] = dict(
            sides=(4, 8), channels=(2, 4), width=8) if args.quick else {}
        growth.run(report, min(rounds, 3), **common, **sizes)


def main(doc) -> None:
    run_command(make_parser(doc), measure)

"""What table7.py does; beside that file, operator.py hides Python's own."""
import os
from typing import Dict

import torch
from mmengine.registry import MODELS

from mmacda.apis.command_line import (CommandParser, UsageError, output_folder,
                                      positive_int, run_command)
from mmacda.layers import DFNConv

from .peak_memory import OUT_OF_MEMORY, ChildError, measure_model
from .common import RESULTS, Quartiles, Report, time_interleaved
from .models import WITHOUT_MODELS, Step

SECTION = 'table7'
GIB = 2**30
# Of every filter, training keeps the generator's output before and after its
# norm, the filter itself, and a gradient.
COPIES = 4
PAPER = dict(
    Conv='4.60M, 3.7 GB, 0.53 s',
    DFN='2.32M, out of memory',
    ACDA='2.28M, 4.6 GB, 0.46 s')

NETWORK = dict(type='AdResNet', arch='s')
NETWORKS: Dict[str, dict] = dict(
    Conv=dict(NETWORK, conv_type='conv'),
    DFN=dict(NETWORK, acda_cfg=dict(type='DFNConv')),
    ACDA=dict(NETWORK, conv_type='acda'))


def limit_memory(config: dict, step: Step, memory: int) -> dict:
    """The config whose DFN layers together may fill ``memory`` bytes."""
    layers = sum(isinstance(m, DFNConv) for m in step.model.modules())
    if not layers:
        return config
    print(f'DFN may fill {memory / GIB:.3g} GiB: {layers} layers with '
          f'{COPIES} copies of their filters')
    limit = max(1, memory // (COPIES * layers))
    return dict(config, acda_cfg=dict(config['acda_cfg'], memory_limit=limit))


def total_memory(device: str) -> int:
    """Bytes that the device has."""
    if device == 'cuda':
        return torch.cuda.get_device_properties(0).total_memory
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def make_parser(doc):
    parser = CommandParser(doc)
    parser.add_argument('--batch', type=positive_int, default=32)
    parser.add_argument(
        '--side', type=positive_int, default=224, help='in pixels')
    parser.add_argument('--rounds', type=positive_int, default=3)
    parser.add_argument('--threads', type=positive_int, default=2)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument(
        '--memory',
        type=float,
        help='GiB that training may take; default: all of the device')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='two rounds of two images of 64 pixels, in 10 MiB')
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
        UsageError: If there is no such device.
    """
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise UsageError('PyTorch finds no GPU here: nothing was measured')
    if args.quick:
        args.batch, args.side, args.rounds, args.memory = 2, 64, 2, 0.01
    if MODELS.get('AdResNet') is None:
        print(WITHOUT_MODELS)
        return
    torch.set_num_threads(args.threads)
    report = Report(args.device, args.out)
    memory = int(args.memory * GIB) if args.memory \
        else total_memory(args.device)
    shape = args.batch, 3, args.side, args.side
    case = f'Ad-ResNet-s {"x".join(map(str, shape))}'
    sizes, messages, steps = {}, {}, {}
    for name, config in NETWORKS.items():
        step = Step(config, shape, args.device)
        config = limit_memory(config, step, memory)
        report.add(SECTION, case, 'parameters', name, '',
                   *[step.parameters / 1e6] * 3, 'M')
        try:
            sizes[name] = measure_model(config, shape, True,
                                        args.device)['extra']
            steps[name] = step
        except ChildError as error:
            if not str(error).startswith(OUT_OF_MEMORY):
                raise
            messages[name] = str(error)
            print(f'{name}: {error}')
    for name, size in sizes.items():
        report.add(SECTION, case, 'peak memory', name, '', *[size / GIB] * 3,
                   'GiB')
    times = time_interleaved({
        name: step.train
        for name, step in steps.items()
    }, args.rounds, args.device)
    report.add_times(SECTION, case, 'training iteration', times)
    report.add_ratio(SECTION, case, 'training iteration', times, 'ACDA',
                     'Conv')
    print(f'rows: {report.write(SECTION)}')
    print_table(report, sizes, messages, times)


def print_table(report, sizes, messages, times) -> None:
    """Ours beside the paper's (its hardware and batch are not given)."""
    print(f'{"":6}{"params":>9}{"memory":>11}{"iteration":>12}   the paper')
    parameters = {
        row.contestant: row.median
        for row in report.rows if row.measure == 'parameters'
    }
    for name in NETWORKS:
        if name in messages:
            figures = f'{"out of memory":>23}'
        else:
            seconds = Quartiles.of(times[name]).median
            figures = f'{sizes[name] / GIB:7.2f} GiB{seconds:10.3f} s'
        print(f'{name:6}{parameters[name]:8.2f}M{figures}   {PAPER[name]}')


def main(doc) -> None:
    run_command(make_parser(doc), measure)

"""Whole networks at 224 x 224 under autocast: the paper's Table 7.

Ad-ResNet-s, also with the light generator, beside its twins, whose dynamic
layers are plain 3x3 or 7x7 convolutions, and beside ResNet-18: time, images
per second and peak memory of training and inference. Without the classifier.
"""
from typing import Any, Dict

import torch
import torch.nn as nn

from tools.benchmarks.common import Quartiles, time_interleaved
from tools.benchmarks.contestants import GateError
from tools.benchmarks.gpu_goals import GRAPH, network_limit
from tools.benchmarks.models import Step, model_configs

from .cases import dtype_name, half_precision
from .journal import LEFT_OUT, PASSED, free
from .run import Run
from .timing import Comparison, compare

SECTION = 'networks'
RIVALS = ('conv3', 'conv7', 'resnet18')
BATCH, SIDE = 128, 224
GATED_IMAGES, TOLERANCE = 2, 2e-3
RESNET18 = dict(
    stage_widths=(64, 128, 256, 512),
    stage_blocks=(2, 2, 2, 2),
    dynamic_stages=())


class Conv7(nn.Conv2d):
    """7x7, in the place of an adaptive layer of that support."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int,
                 padding: int, dilation: int, **kwargs: Any):
        super().__init__(in_channels, out_channels, 7, padding=3 * dilation,
                         dilation=dilation, **kwargs)


def configs() -> Dict[str, dict]:
    """Ours, then the rivals."""
    found = model_configs('s')
    return dict(
        {'acda': found['acda'], 'acda-light': found['acda-light']},
        conv3=found['conv'],
        conv7=dict(found['acda'], acda_cfg=dict(type=Conv7)),
        resnet18=dict(found['conv'], arch=RESNET18))


def run(run: Run) -> None:
    run.report.dtype = dtype_name(half_precision(run.device))
    right = {name: config for name, config in configs().items()
             if is_right(run, name, config)}
    batch, side = (2, 32) if run.rehearsed else (BATCH, SIDE)
    while batch:
        shape = batch, 3, side, side
        try:
            time_networks(run, right, shape)
            batch = 0
        except torch.cuda.OutOfMemoryError:
            run.report.note(case_of(shape), LEFT_OUT,
                            'it needs more memory than the GPU has')
            batch //= 2
        free(run.device)
    if run.left() > 5:
        with run.report.attempt('stock'):
            time_stock(run, shape)


def case_of(shape: tuple) -> str:
    return f'Ad-ResNet-s {"x".join(map(str, shape))}'


def is_right(run: Run, name: str, config: dict) -> bool:
    """Features of a few images against those of the stock backend."""
    if not name.startswith('acda'):
        return True
    right = False
    with run.report.attempt(name):
        shape = (GATED_IMAGES, 3, *[64 if run.rehearsed else SIDE] * 2)
        stock = dict(config, acda_cfg=dict(config.get('acda_cfg', {}),
                                           backend='stock'))
        with torch.no_grad():  # norms weigh all branches alike in training
            ours, theirs = (Step(found, shape, run.device).output()
                            for found in (config, stock))
        error = (ours - theirs).norm() / theirs.norm()
        if not error <= TOLERANCE:
            raise GateError(f'features of {name} differ from those of the '
                            f'stock backend by {error:.1e}: not timed')
        run.report.note(name, PASSED, f'features differ by {error:.1e}')
        right = True
    return right


def time_networks(run: Run, found: Dict[str, dict], shape: tuple) -> None:
    half = None if run.rehearsed else half_precision(run.device)
    case = case_of(shape)
    steps = {name: Step(config, shape, run.device, half)
             for name, config in found.items()}
    for name, step in steps.items():
        run.report.add(SECTION, case, 'parameters', name, '',
                       *[step.parameters / 1e6] * 3, 'M')
    for train, measure in ((True, 'training'), (False, 'inference')):
        calls = {name: [step.function(train)] for name, step in steps.items()}
        begin = len(run.report.rows)
        compare(run, Comparison(SECTION, case, measure, calls, RIVALS,
                                network_limit))
        for row in run.report.rows[begin:]:
            if row.unit == 'ms' and row.measure in (measure, measure + GRAPH):
                add_images(run, case, row.measure, row.contestant, shape[0],
                           row)


def add_images(run: Run, case: str, measure: str, name: str, batch: int,
               row: Any) -> None:
    rates = (1e3 * batch / ms for ms in (row.median, row.upper, row.lower))
    run.report.add(SECTION, case, measure, name, '', *rates, 'images/s')


def time_stock(run: Run, shape: tuple) -> None:
    """What serves where Triton does not."""
    half = None if run.rehearsed else half_precision(run.device)
    config = dict(configs()['acda'], acda_cfg=dict(backend='stock'))
    step = Step(config, shape, run.device, half)
    times = time_interleaved({'acda on stock': step.train}, run.rounds,
                             run.device)
    run.report.add_times(SECTION, case_of(shape), 'training', times)
    for name, seconds in times.items():
        add_images(run, case_of(shape), 'training', name, shape[0],
                   Quartiles.of(1e3 * seconds))

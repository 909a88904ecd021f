"""Whole layers, by generator, beside convolutions: under autocast.

Also the light one with its coefficients made in the tile, which layers do
on a CPU alone.
"""
from typing import Optional

from tools.benchmarks.gpu_goals import CHANNELS_LAST
from tools.benchmarks.models import (PlacedStep, Step, check_layer,
                                     layer_configs)

from .cases import LAYERS, dtype_name, half_precision
from .journal import LEFT_OUT, PASSED, free
from .run import Run
from .timing import Comparison, compare

SECTION = 'layers'
RIVALS = ('conv7', 'conv3')
IN_THE_TILE = 'acda-light, on the fly'
TINY_LAYERS = ((1, 8, 4), )
SECONDS = 8  # for a layer
TOLERANCE = 1e-3  # of float32, for sums over a batch
# The gate's share of the images: it unfolds them.
GATED_IMAGES = 2


def run(run: Run) -> None:
    half = half_precision(run.device)
    run.report.dtype = dtype_name(half)
    for batch, channels, side in TINY_LAYERS if run.rehearsed else LAYERS[:6]:
        shape = batch, channels, side, side
        case = f'{"x".join(map(str, shape))} {CHANNELS_LAST}'
        if not run.rehearsed and run.left() < SECONDS:
            run.report.note(case, LEFT_OUT, 'no time was left')
            continue
        with run.report.attempt(case):
            time_layers(run, case, shape)
        free(run.device)


def time_layers(run: Run, case: str, shape: tuple) -> None:
    configs = layer_configs(shape[1])
    right = {}
    for name, config in configs.items():
        with run.report.attempt(f'{case}, {name}'):
            if 'scales' in config:
                check_layer(config, (min(GATED_IMAGES, shape[0]), *shape[1:]),
                            run.device, TOLERANCE)
                run.report.note(f'{case}, {name}', PASSED)
            right[name] = config
    half = None if run.rehearsed else half_precision(run.device)
    steps = {name: Step(config, shape, run.device, half, part=True)
             for name, config in right.items()}
    if 'acda-light' in right:
        steps[IN_THE_TILE] = PlacedStep(
            ['cpu', 'cuda'], right['acda-light'], shape, run.device, half,
            part=True)
    for train, measure in ((False, 'inference'), (True, 'training')):
        calls = {name: [step.function(train)] for name, step in steps.items()}
        compare(run, Comparison(SECTION, case, measure, calls, RIVALS,
                                no_limit))


def no_limit(measure: str, name: str, rival: str) -> Optional[float]:
    """A layer has no goal of its own on a GPU."""
    return None

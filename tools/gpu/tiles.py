"""Other tiles, warps and workspaces than those that the kernels have.

Each setting of :data:`KNOBS` is tried alone: the call is compared with the
one of the settings as they are, then graphs of both are timed in turn.
"""
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import (Any, Callable, Dict, Iterator, List, NamedTuple, Tuple)

import numpy as np
from torch.utils._pytree import tree_flatten

from mmacda.testing.cases import Case, relative_error
from tools.benchmarks.common import time_interleaved
from tools.benchmarks.contestants import (TOLERANCES, Contestant, GateError,
                                          make_contestant)
from tools.benchmarks.gpu_goals import BOTH, FORWARD, GRAPH

from .cases import (LAYERS, PAPER, TINY, dtype_name, half_precision, layer)
from .journal import LEFT_OUT
from .run import Run
from .timing import Graph

SECTION = 'tiles'
AS_IS = 'as it is'
PACKAGE = 'mmacda.ops.backends.triton'
BACKEND = 'triton'
MIB = 2**20
# What is cached and does not depend on a setting.
KEPT = ('_load', 'try_device')


class Knob(NamedTuple):
    """A constant of a module of the backend, and what to try for it.

    Of a named tuple the values are tuples; a function gets what is there.
    """
    module: str
    name: str
    values: Tuple[Any, ...]

    @property
    def owner(self) -> Any:
        return import_module(f'{PACKAGE}.{self.module}')


def without_tensor_cores(families: List[Any]) -> List[Any]:
    return families[-1:]


KNOBS = (
    Knob('plan', 'FAMILIES', (without_tensor_cores, )),
    Knob('plan', 'WORKSPACE_BYTES', ((32 * MIB, 64 * MIB),
                                     (128 * MIB, 256 * MIB),
                                     (128 * MIB, 512 * MIB))),
    # Channels or pixels of a step, warps, stages.
    Knob('band', 'CONVOLVE', ((32, 8, 1), (64, 4, 1), (128, 8, 1))),
    Knob('band', 'CORRELATE', ((32, 8, 2), (64, 4, 2), (64, 8, 3))),
    Knob('band', 'FEW_PROGRAMS', (128, 2048)),
    Knob('atoms', 'COMPOSE', ((16, 2, 1), (16, 4, 1), (32, 8, 1))),
    Knob('fma', 'CONVOLVE_WARPS', (2, 8)),
    Knob('fma', 'CORRELATE_WARPS', (2, 8)),
    Knob('launch', 'SUMS', (64, 160)),
    Knob('launch', 'FEW_WARPS', (256, 4096)),
)


class Setting(NamedTuple):
    """One knob, turned."""
    knob: Knob
    value: Any

    def __str__(self) -> str:
        value = getattr(self.value, '__name__', self.value)
        return f'{self.knob.name} = {value}'

    def of(self, before: Any) -> Any:
        """The value, of the kind of the one that is there."""
        if callable(self.value):
            return self.value(before)
        if hasattr(before, '_fields'):
            return type(before)(*self.value)
        return self.value


def settings(run: Run) -> List[Setting]:
    found = [Setting(knob, value) for knob in KNOBS for value in knob.values]
    return found[-1:] if run.rehearsed else found


@contextmanager
def turned(setting: Setting) -> Iterator[None]:
    """The backend with a setting, and as it was afterwards."""
    owner, name = setting.knob.owner, setting.knob.name
    before = getattr(owner, name)
    setattr(owner, name, setting.of(before))
    try:
        forget()
        yield
    finally:
        setattr(owner, name, before)
        forget()


def forget() -> None:
    """Empty what the backend's modules keep from call to call."""
    for name, module in list(sys.modules.items()):
        if f'{name}.'.startswith(f'{PACKAGE}.'):
            for key, value in list(vars(module).items()):
                if key not in KEPT and hasattr(value, 'cache_clear'):
                    value.cache_clear()


def layers(run: Run) -> List[Case]:
    shapes = TINY[1:] if run.rehearsed else (PAPER, LAYERS[3], LAYERS[4])
    return [layer(shape, True) for shape in shapes]


def contestant(run: Run, case: Case) -> Contestant:
    half = half_precision(run.device)
    return make_contestant(BACKEND, case, case.operands(half, run.device))


def prepare(run: Run) -> None:
    """Compile what :func:`run` times."""
    case = layers(run)[0]
    made = contestant(run, case)
    for setting in run.mine(settings(run)):
        if run.left() < 3:
            return
        with run.report.attempt(f'{case}, {setting}'), turned(setting):
            made.train()


def run(run: Run) -> None:
    run.report.dtype = dtype_name(half_precision(run.device))
    for case in layers(run):
        made = contestant(run, case)
        for setting in settings(run):
            what = f'{case}, {setting}'
            if not run.rehearsed and run.left() < 3:
                run.report.note(what, LEFT_OUT, 'no time was left')
                return
            with run.report.attempt(what):
                compare(run, str(case), made, setting)


def compare(run: Run, case: str, made: Contestant, setting: Setting) -> None:
    """Ratios of the call's times to those of the backend as it is."""
    for measure, method in ((FORWARD, 'forward'), (BOTH, 'train')):
        call = getattr(made, method)
        right = call()
        with turned(setting):
            found = call()
        for ours, theirs in zip(*(tree_flatten(one)[0]
                                  for one in (found, right))):
            if not relative_error(ours, theirs) <= TOLERANCES[theirs.dtype]:
                raise GateError(f'{measure} is wrong with {setting}')
        times: Dict[str, List[float]] = {str(setting): [], AS_IS: []}
        for _ in range(min(3, run.rounds)):
            times[AS_IS].append(graph_seconds(run, call))
            with turned(setting):
                times[str(setting)].append(graph_seconds(run, call))
        run.report.add_ratio(
            SECTION, case, measure + GRAPH,
            {name: np.array(seconds) for name, seconds in times.items()},
            str(setting), AS_IS)


def graph_seconds(run: Run, call: Callable) -> float:
    """Of a graph that does not outlive this: settings empty caches."""
    graph = Graph([call], run.device)
    return time_interleaved({'it': graph.replay}, 1, run.device)['it'][0]

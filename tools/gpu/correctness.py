"""Are the Triton backends right? Before anything is timed.

Several processes compare all cases of the tests, in every dtype, with the
definition, output and gradients, and meanwhile compile the kernels of the
layers that are timed later. Then graphs and streams are tried.
"""
from functools import partial
from typing import Callable, List, Sequence, Tuple

import torch

from mmacda.testing.cases import CASES, Case, unsupported_reason
from tools.benchmarks.contestants import check, make_contestant

from .cases import TINY, backends, dtype_name, half_precision, jobs, layer
from .journal import LEFT_OUT, PASSED
from .run import Run
from .timing import Graph, check_graph

# A rehearsal's: the interpreter takes seconds for a larger one.
REHEARSED = ('single-row', 'single-pixel')
STREAM_LAYER = (2, 64, 28)
TRITON = [name for name in backends() if name != 'stock']


def prepare(run: Run) -> None:
    dtypes = [torch.float32]
    if not run.rehearsed:
        dtypes += [half_precision(run.device), torch.float16]
    found = {dtype: [case for case in CASES if case.batch and
                     (not run.rehearsed or str(case) in REHEARSED)]
             for dtype in dict.fromkeys(dtypes)}
    everything = [(dtype, case) for dtype, cases in found.items()
                  for case in cases]
    # Those that are timed compile first: all else can be done without.
    compile_timed(run)
    passed = 0
    mine = run.mine(everything)
    for number, (dtype, case) in enumerate(mine):
        if run.left() < 3:
            run.report.note('cases of the tests', LEFT_OUT,
                            f'{len(mine) - number} of {len(mine)} of this '
                            'process, no time was left')
            break
        passed += check_case(run, case, dtype)
    run.report.note('cases of the tests', PASSED, f'{passed} results of '
                    'backends, output and gradients')


def compile_timed(run: Run) -> None:
    for job in run.mine(jobs(run.device)):
        if run.left() < run.seconds / 2:
            return
        with run.report.attempt(f'first calls on {job}'):
            operands = job.case.operands(job.dtype, run.device)
            for name in serving(job.case, operands):
                make_contestant(name, job.case, operands).train()
            del operands


def serving(case: Case, operands: dict,
            names: Sequence[str] = TRITON) -> List[str]:
    """Those that take the call."""
    return [name for name in names
            if unsupported_reason(name, operands, case.geometry) is None]


def check_case(run: Run, case: Case, dtype: torch.dtype) -> int:
    """How many backends are right."""
    passed, operands = 0, case.operands(dtype, run.device)
    for name in TRITON:
        with run.report.attempt(f'{case}, {dtype_name(dtype)}, {name}'):
            if name in serving(case, operands, [name]):
                check(case, operands, [name])
                passed += 1
    return passed


def run(run: Run) -> None:
    """Calls in graphs, and on a stream other than the first caller's."""
    half = half_precision(run.device)
    case = layer(TINY[0] if run.rehearsed else STREAM_LAYER, True)
    operands = case.operands(half, run.device)
    for name in serving(case, operands):
        contestant = make_contestant(name, case, operands)
        for measure in ('forward', 'train'):
            what = f'{measure} of {name} in a graph'
            with run.report.attempt(what):
                check_graph(
                    Graph([getattr(contestant, measure)], run.device), name)
                run.report.note(what, PASSED)
        what = f'{name} on two streams'
        with run.report.attempt(what):
            on_streams(run, partial(check, case, operands, [name]))
            run.report.note(what, PASSED)


def on_streams(run: Run, function: Callable) -> None:
    streams: Tuple = (None, None)
    if run.device == 'cuda':
        streams = torch.cuda.Stream(), torch.cuda.Stream()
        torch.cuda.synchronize()
    for stream in streams:
        with torch.cuda.stream(stream):  # None: where it is
            function()

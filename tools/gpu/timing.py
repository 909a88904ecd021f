"""Eager, host and graph time of contestants, their memory, side by side."""
import time
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Sequence

import numpy as np
import torch
from torch.utils._pytree import tree_flatten

from mmacda.testing.cases import relative_error
from tools.benchmarks.child import measure as measure_memory
from tools.benchmarks.common import time_interleaved
from tools.benchmarks.contestants import TOLERANCES, GateError
from tools.benchmarks.gpu_goals import GRAPH

from .run import Run

HOST = ', host'
HOST_CALLS = 12
WARM_UPS = 3
MIB = 2**20


class Comparison(NamedTuple):
    """Contestants of one measure, and what they are held against."""
    section: str
    case: str
    measure: str
    # Several calls of a contestant use other memory, so that a graph of them
    # does not find its inputs in the cache.
    calls: Dict[str, List[Callable]]
    rivals: Sequence[str]
    limit: Callable  # (measure, contestant, rival) -> float | None
    eager_only: Sequence[str] = ()


def compare(run: Run, found: Comparison) -> None:
    """Rows of eager time, of graphs, of the host and of memory."""
    first = {name: calls[0] for name, calls in found.calls.items()}
    times = time_interleaved(first, run.rounds, run.device)
    _add(run, found, found.measure, times)
    with run.report.attempt(f'{found.case}, {found.measure}{GRAPH}'):
        _add(run, found, found.measure + GRAPH, graph_times(run, found))
    host = {name: host_seconds(call, run.device)
            for name, call in first.items() if name not in found.eager_only}
    run.report.add_times(found.section, found.case, found.measure + HOST,
                         host)
    _compare_memory(run, found, first)


def _add(run: Run, found: Comparison, measure: str,
         times: Dict[str, np.ndarray]) -> None:
    run.report.add_times(found.section, found.case, measure, times)
    for rival in found.rivals:
        for name in times:
            if rival in times and name not in found.rivals:
                run.report.add_ratio(found.section, found.case, measure,
                                     times, name, rival,
                                     found.limit(measure, name, rival))


def _compare_memory(run: Run, found: Comparison,
                    calls: Dict[str, Callable]) -> None:
    sizes = {}
    measure = f'peak {found.measure}'
    for name, call in calls.items():
        with run.report.attempt(f'{found.case}, {measure} of {name}'):
            sizes[name] = measure_memory(call, run.device)['extra']
            run.report.add(found.section, found.case, measure, name, '',
                           *[sizes[name] / MIB] * 3, 'MiB')
    for rival in found.rivals:
        for name in sizes:
            if name not in found.rivals and sizes.get(rival):
                run.report.add(found.section, found.case, measure, name,
                               rival, *[sizes[name] / sizes[rival]] * 3, 'x',
                               found.limit(measure, name, rival))


def host_seconds(call: Callable, device: str) -> np.ndarray:
    """What the host needs for each call, while the GPU has nothing to do."""
    seconds = []
    for _ in range(2 if device == 'cpu' else HOST_CALLS):
        synchronize(device)
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    synchronize(device)
    return np.array(seconds)


def synchronize(device: str) -> None:
    if device == 'cuda':
        torch.cuda.synchronize()


class Graph:
    """Calls captured once and replayed; on a CPU they are just called."""

    def __init__(self, calls: Sequence[Callable], device: str):
        self.calls, self.graph = calls, None
        if device != 'cuda':
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                for call in calls:
                    call()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = [call() for call in calls]

    def replay(self) -> list:
        if self.graph is None:
            self.results = [call() for call in self.calls]
        else:
            self.graph.replay()
        return self.results


def check_graph(graph: Graph, name: str) -> None:
    """Compare what a graph leaves with what a call returns.

    Raises:
        GateError: If they differ.
    """
    ours = tree_flatten(graph.replay()[0])[0]
    theirs = tree_flatten(graph.calls[0]())[0]
    for mine, right in zip(ours, theirs):
        if not isinstance(right, torch.Tensor):
            continue
        error = relative_error(mine, right)
        if not error <= TOLERANCES[right.dtype]:
            raise GateError(f'a graph of {name} differs from its calls by '
                            f'{error:.1e}; it is not timed')


def graph_times(run: Run, found: Comparison) -> Dict[str, np.ndarray]:
    """Seconds of a call in a graph, by contestant and round."""
    graphs: Dict[str, Graph] = {}
    for name, calls in found.calls.items():
        if name in found.eager_only:
            continue
        what = f'{found.case}, {found.measure}, graph of {name}'
        with run.report.attempt(what):
            graph = Graph(calls, run.device)
            check_graph(graph, name)
            graphs[name] = graph
    functions = {name: partial(Graph.replay, graph)
                 for name, graph in graphs.items()}
    times = time_interleaved(functions, run.rounds, run.device)
    return {name: seconds / len(graphs[name].calls)
            for name, seconds in times.items()}

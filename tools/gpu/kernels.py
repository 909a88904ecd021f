"""Where a call spends its time: its kernels by name."""
from typing import Callable, List, Tuple

import torch
from torch.profiler import ProfilerActivity, profile

from tools.benchmarks.contestants import make_contestant
from tools.benchmarks.gpu_goals import BOTH, FORWARD

from .cases import (LAYERS, PAPER, TINY, dtype_name, half_precision, layer)
from .correctness import serving
from .run import Run
from .timing import synchronize

SECTION = 'kernels'
CALLS, WARM_UPS = 5, 3
MOST_KERNELS = 14


def run(run: Run) -> None:
    half = half_precision(run.device)
    shapes = TINY[1:] if run.rehearsed else (PAPER, LAYERS[3], LAYERS[5])
    for shape in shapes:
        case = layer(shape, True)
        if not run.rehearsed and run.left() < 5:
            return
        with run.report.attempt(str(case)):
            run.report.dtype = dtype_name(half)
            operands = case.operands(half, run.device)
            for name in serving(case, operands):
                contestant = make_contestant(name, case, operands)
                for measure, function in ((FORWARD, contestant.forward),
                                          (BOTH, contestant.train)):
                    add_kernels(run, str(case), measure, name, function)


def add_kernels(run: Run, case: str, measure: str, name: str,
                function: Callable) -> None:
    calls = 1 if run.rehearsed else CALLS
    found = times_by_kernel(function, calls, run.device)
    for microseconds, count, kernel in found[:MOST_KERNELS]:
        run.report.add(SECTION, case, f'{measure}, {count:g} launches',
                       f'{name}: {kernel[:80]}', '', *[microseconds] * 3,
                       'us')
    run.report.add(SECTION, case, f'{measure}, launches', name, '',
                   *[float(sum(count for _, count, _ in found))] * 3, '')


def times_by_kernel(function: Callable, calls: int,
                    device: str) -> List[Tuple[float, float, str]]:
    """Microseconds and launches of a call, the longest first.

    In a rehearsal of PyTorch's operators, for want of kernels.
    """
    for _ in range(WARM_UPS if device == 'cuda' else 0):
        function()
    synchronize(device)
    activities = [ProfilerActivity.CPU]
    if device == 'cuda':
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiled:
        for _ in range(calls):
            function()
        synchronize(device)
    rows = []
    for event in profiled.key_averages():
        if device != 'cuda':
            rows.append((event.self_cpu_time_total, event.count, event.key))
        elif event.device_type == torch.autograd.DeviceType.CUDA:
            total = getattr(event, 'self_device_time_total', None)
            if total is None:  # PyTorch before 2.4
                total = event.self_cuda_time_total
            rows.append((total, event.count, event.key))
    return sorted(((total / calls, count / calls, key)
                   for total, count, key in rows), reverse=True)

"""What machine this is, its two ceilings, and how long a first call takes."""
import os
import shutil
import subprocess
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Callable

import torch

from tools.benchmarks.common import Quartiles, time_interleaved

from .cases import backends, dtype_name, half_precision
from .journal import FAILED, LEFT_OUT, PASSED
from .run import Run

SECTION = 'environment'
PACKAGES = ('numpy', 'torchvision', 'mmengine', 'mmcv', 'mmcv-lite',
            'mmpretrain', 'nvidia-cudnn-cu12', 'nvidia-cudnn-cu13')
QUERY = 'driver_version,clocks.max.sm,power.limit,temperature.gpu'


def run(run: Run) -> None:
    with run.report.attempt('machine'):
        run.report.note('machine', PASSED, describe(run.device))
    first_calls(run)
    half = half_precision(run.device)
    for dtype in dict.fromkeys((half, torch.float32)):
        with run.report.attempt(f'matrix product, {dtype_name(dtype)}'):
            multiply(run, dtype)
    with run.report.attempt('copy'):
        copy(run)


def describe(device: str) -> str:
    """Packages, cores, and on a GPU its size and driver."""
    texts = []
    for name in PACKAGES:
        try:
            texts.append(f'{name} {version(name)}')
        except PackageNotFoundError:
            continue
    texts.append(f'{os.cpu_count()} cores')
    if device == 'cuda':
        gpu = torch.cuda.get_device_properties(0)
        texts.append(f'sm_{gpu.major}{gpu.minor}, '
                     f'{gpu.multi_processor_count} multiprocessors, '
                     f'{gpu.total_memory / 2**30:.1f} GiB')
        if shutil.which('nvidia-smi'):
            found = subprocess.run(
                ['nvidia-smi', f'--query-gpu={QUERY}', '--format=csv,noheader',
                 '--id=0'], capture_output=True, text=True, timeout=20)
            texts.append(f'{QUERY}: {found.stdout.strip()}')
    return ', '.join(texts)


def first_calls(run: Run) -> None:
    """Of a process: what a user waits for before the first result."""
    from mmacda.ops import adaptive_conv2d
    from mmacda.testing.cases import Case
    half = half_precision(run.device)
    case = Case('first call', 1, 2 if run.rehearsed else 64, 8, (2, 2))
    operands = case.operands(half, run.device)
    for name in backends():
        with run.report.attempt(f'first call of {name}'):
            start = time.perf_counter()
            try:
                adaptive_conv2d(**operands, **case.geometry, backend=name)
            except ValueError as error:  # why it does not serve here
                run.report.note(
                    f'first call of {name}',
                    LEFT_OUT if run.rehearsed else FAILED, str(error))
                continue
            if run.device == 'cuda':
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            run.report.add(SECTION, 'first call', 'forward', name, '',
                           *[seconds] * 3, 's', dtype=dtype_name(half))


def _rate(run: Run, function: Callable, amount: float) -> Quartiles:
    """Amount per second."""
    times = time_interleaved({'it': function}, run.rounds, run.device)['it']
    return Quartiles.of(amount / times)


def multiply(run: Run, dtype: torch.dtype) -> None:
    side = 64 if run.rehearsed else 4096
    a, b = (torch.randn(side, side, device=run.device).to(dtype)
            for _ in range(2))
    run.report.add(SECTION, f'{side} x {side}', 'matrix product', 'torch', '',
                   *_rate(run, partial(torch.mm, a, b), 2e-12 * side**3),
                   'TFLOP/s', dtype=dtype_name(dtype))


def copy(run: Run) -> None:
    """Bytes read and written."""
    source = torch.empty(2**10 if run.rehearsed else 2**28,
                         device=run.device)
    target = torch.empty_like(source)
    amount = 2e-12 * source.numel() * source.element_size()
    run.report.add(SECTION, f'{source.numel()} float32', 'copy', 'torch', '',
                   *_rate(run, partial(target.copy_, source), amount), 'TB/s')

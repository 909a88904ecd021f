"""NVIDIA's compute-sanitizer over a few small calls, where there is one."""
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Optional
from unittest import mock

import torch

from mmacda.ops import adaptive_conv2d
from mmacda.ops.backends.triton import trial
from mmacda.testing.cases import Case, evaluate

from . import steps
from .cases import half_precision
from .correctness import serving
from .journal import FAILED, LEFT_OUT, PASSED
from .run import Run

TOOLS = ('memcheck', 'racecheck')
NAME = 'compute-sanitizer'
# Small: under the sanitizer all takes a hundred times as long.
CASES = (
    Case('vectors', 1, 16, 8, (5, 6), (3, 5), padding=(2, 2)),
    Case('no-vectors', 2, 3, 5, (7, 3), (3, ), stride=(2, 1)),
    Case('groups', 1, 6, 4, (4, 5), (3, ), groups=2),
)


def run(run: Run) -> None:
    tool = find()
    if run.rehearsed:
        calls(run)
        run.report.note('its calls', PASSED, f'rehearsed without {NAME}')
    elif tool is None:
        run.report.note('', LEFT_OUT, f'there is no {NAME} on the PATH or '
                        'below CUDA_HOME: it comes with the CUDA toolkit')
    else:
        for name in TOOLS:
            with run.report.attempt(name):
                sanitize(run, tool, name)


def find() -> Optional[str]:
    homes = [os.environ.get('CUDA_HOME'), '/usr/local/cuda']
    return shutil.which(NAME) or next(
        (str(path) for home in homes if home
         for path in [Path(home) / 'bin' / NAME] if path.exists()), None)


def sanitize(run: Run, tool: str, name: str) -> None:
    """Run :func:`calls` under one of its tools; its last line tells."""
    seconds = max(10., min(run.left() - 2, run.seconds / 2))
    try:
        done = subprocess.run(
            [tool, '--tool', name, '--print-limit', '5', *steps.command(
                run.step, 'calls', run.device, seconds, run.journal)],
            env=dict(os.environ, PYTORCH_NO_CUDA_MEMORY_CACHING='1'),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=seconds)
    except subprocess.TimeoutExpired:
        run.report.note(name, LEFT_OUT, f'not done within {seconds:.0f} s')
        return
    print(done.stdout, flush=True)
    summary = re.findall(r'(?:ERROR|RACECHECK) SUMMARY: .*', done.stdout)
    clean = done.returncode == 0 and summary and \
        re.search(r'SUMMARY: 0 ', summary[-1])
    run.report.note(name, PASSED if clean else FAILED,
                    summary[-1] if summary else
                    f'it ended with status {done.returncode}')


def calls(run: Run) -> None:
    """Forward and backward of every backend on every case.

    Without the trials that precede a first call: those are other calls.
    """
    with mock.patch.object(trial, '_judge', lambda *_: None):
        call_all(run)


def call_all(run: Run) -> None:
    for dtype in dict.fromkeys((half_precision(run.device), torch.float32)):
        for case in CASES[:1] if run.rehearsed else CASES:
            operands = case.operands(dtype, run.device)
            for name in serving(case, operands):
                evaluate(partial(adaptive_conv2d, backend=name), operands,
                         case.geometry)

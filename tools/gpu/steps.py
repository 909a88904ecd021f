"""The steps of the GPU check, and how one is run: within a limit, alone."""
import json
import os
import sys
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import torch

from tools.benchmarks.common import ROOT

from .journal import (BAD, FAILED, KILLED, LEFT_OUT, PASSED, Outcome, append,
                      outcomes, read)
from .processes import run_limited

# Of a whole check; limits are for one that takes so long.
WHOLE = 600
# To start and end a process, and not worth starting one.
MARGIN, LEAST = 5, 10


# Variables that choose kernels.
CHOICES = ('MMACDA_BACKEND', 'MMACDA_TRITON_TENSOR_CORES', 'TRITON_INTERPRET')


class Step(NamedTuple):
    """A module of this folder."""
    name: str
    limit: float  # seconds
    prepare: float = 0.  # share of the limit for several processes before


STEPS = (
    Step('environment', 40),
    Step('correctness', 160, 0.8),
    Step('calls', 170),
    Step('networks', 110),
    Step('layers', 60),
    Step('kernels', 40),
    Step('tiles', 90, 0.5),
    Step('sanitizer', 100),
)


class Check(NamedTuple):
    """What all steps of a check share."""
    device: str
    journal: Path
    log: Path
    end: float  # of time.monotonic()
    scale: float  # of the steps' limits


def run_step(step: Step, check: Check) -> Outcome:
    """Run a step to its end or its limit, and keep how it ended."""
    start = time.monotonic()
    limit = min(step.limit * check.scale, check.end - start) - MARGIN
    if limit < LEAST:
        outcome = Outcome(step.name, '', LEFT_OUT, 'no time was left')
    else:
        outcome = _run_phases(step, check, start + limit)
    outcome = outcome._replace(seconds=time.monotonic() - start)
    append(check.journal, dict(outcome._asdict(), kind='outcome'))
    return outcome


def _run_phases(step: Step, check: Check, end: float) -> Outcome:
    problem = None
    if step.prepare:
        begin = time.monotonic()
        problem = _run_phase(step.name, 'prepare', check,
                             begin + step.prepare * (end - begin),
                             count_processes(check.device))
    problem = _run_phase(step.name, 'run', check, end) or problem
    if problem:
        return problem
    bad = [found for found in outcomes(read(check.journal))
           if found.step == step.name and found.outcome in BAD]
    if bad:
        return Outcome(step.name, '', FAILED, f'{len(bad)} of its cases, the '
                       f'first of them {bad[0]}')
    return Outcome(step.name, '', PASSED)


def _run_phase(name: str, phase: str, check: Check, end: float,
               count: int = 1) -> Optional[Outcome]:
    """The first of the processes that did not end as it should."""
    seconds = max(1., end - time.monotonic())
    commands = [
        command(name, phase, check.device, seconds, check.journal,
                (index, count)) for index in range(count)
    ]
    for code in run_limited(commands, seconds + MARGIN, check.log, ROOT,
                            variables(check.device)):
        if code is None:
            return Outcome(name, '', KILLED,
                           f'{phase} did not end within {seconds:.0f} s')
        if code:
            return Outcome(name, '', FAILED,
                           f'{phase} ended with status {code}: see '
                           f'{check.log}')
    return None


def command(step: str, phase: str, device: str, seconds: float,
            journal: Path, share=(0, 1)) -> List[str]:
    """The command line of a child."""
    order = dict(step=step, phase=phase, device=device, seconds=seconds,
                 journal=str(journal), share=share)
    return [
        sys.executable, '-W', 'ignore', '-m', 'tools.gpu.child',
        json.dumps(order)
    ]


def variables(device: str) -> Dict[str, str]:
    """The environment of a child: nobody's choice of kernels is in it."""
    found = dict(os.environ, PYTHONUNBUFFERED='1')
    for name in CHOICES:
        found.pop(name, None)
    if device == 'cpu':
        found['TRITON_INTERPRET'] = '1'
    return found


def count_processes(device: str) -> int:
    """How many may share the device."""
    cores = len(os.sched_getaffinity(0)) if hasattr(
        os, 'sched_getaffinity') else os.cpu_count() or 1
    if device == 'cpu':
        return min(2, cores)
    memory = torch.cuda.get_device_properties(0).total_memory
    # A context and the operands of the largest layer take 6 GiB.
    return int(max(1, min(10, cores - 2, memory // (6 * 2**30))))

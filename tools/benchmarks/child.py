"""Peak memory of one call, measured in a process of its own.

    echo '{"kind": "operator", ...}' | python -m tools.benchmarks.child

prints one line of JSON for each line: ``extra``, the bytes above those held
before the call, and ``peak``, those of the whole process; or ``error``. On a
GPU both count its memory. Libraries are imported once: a process that has
computed nothing yet forks for every job.
"""
import ctypes
import dataclasses
import json
import os
import sys
from functools import partial
from typing import Any, Callable, Dict

import torch

from mmacda.testing.cases import Case, Operands

from .contestants import make_contestant
from .models import Step
from .peak_memory import OUT_OF_MEMORY, ChildError


def _status(field: str) -> int:
    # getrusage's peak would be that of the parent if that is larger.
    with open('/proc/self/status', encoding='utf-8') as file:
        for line in file:
            if line.startswith(f'{field}:'):
                return 1024 * int(line.split()[1])
    raise ChildError(f'/proc/self/status has no {field}')


def _give_back_free_memory() -> None:
    """A call that took it again would seem to need none."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # of glibc
    if trim:
        trim(0)


def _fill_up_to_peak() -> torch.Tensor:
    """Ballast: from here on the peak rises with every byte allocated."""
    missing = _status('VmHWM') - _status('VmRSS')
    return torch.ones(max(0, missing) // 4)


def measure(function: Callable, device: str) -> dict:
    """Memory of a call."""
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before, peak = (torch.cuda.memory_allocated(),
                        torch.cuda.max_memory_allocated)
    else:
        _give_back_free_memory()
        ballast = _fill_up_to_peak()  # noqa: F841  kept alive
        before, peak = _status('VmHWM'), partial(_status, 'VmHWM')
    result = function()
    if device == 'cuda':
        torch.cuda.synchronize()
    del result
    return dict(peak=peak(), extra=max(0, peak() - before))


def _operator(case: dict, contestant: str, train: bool, device: str,
              dtype: str) -> Callable:
    kind = getattr(torch, dtype)

    def build(case: Case) -> Callable:
        # Case.operands draws in float64, which would be the peak.
        operands: Operands = {
            name: torch.rand(shape, dtype=kind, device=device)
            for name, shape in case.shapes.items()
        }
        operands['atom_bases'] = case.bases(kind, device)
        made = make_contestant(contestant, case, operands)
        return made.train if train else made.forward

    fields: Dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in case.items()
    }
    found = Case(**fields)
    # Libraries are loaded before the count starts.
    build(dataclasses.replace(found, batch=1, size=(1, 1)))()
    return build(found)


def _model(config: dict, shape: list, train: bool, device: str) -> Callable:
    return Step(config, tuple(shape), device).function(train)


def _answer(job: dict) -> dict:
    torch.set_num_threads(job.pop('threads'))
    builders: Dict[str, Callable] = dict(operator=_operator, model=_model)
    build = builders[job.pop('kind')]
    try:
        return measure(build(**job), job['device'])
    except MemoryError as error:
        return dict(error=f'{OUT_OF_MEMORY}{error}')
    except Exception as error:
        return dict(error=f'{type(error).__name__}: {error}')


def main() -> None:
    for line in sys.stdin:
        ours, theirs = os.pipe()
        process = os.fork()
        if not process:
            sys.stdout = sys.stderr  # for answers only
            os.write(theirs, json.dumps(_answer(json.loads(line))).encode())
            os._exit(0)
        os.close(theirs)
        with open(ours, encoding='utf-8') as pipe:
            answer = pipe.read()
        _, status = os.waitpid(process, 0)
        error = f'ended with status {os.waitstatus_to_exitcode(status)}'
        print(answer or json.dumps(dict(error=error)), flush=True)


if __name__ == '__main__':
    main()

"""Peak memory of one call, measured in a process of its own.

    python -m tools.benchmarks.child '{"kind": "operator", ...}'

prints one line of JSON: ``extra``, the bytes above those held before the
call, ``peak``, those of the whole process, and ``seconds`` of a second call.
On a GPU both count its memory.
"""
import dataclasses
import json
import subprocess
import sys
import time
from functools import partial
from typing import Callable, Optional

import torch

from tests.ops.cases import Case

from .common import ROOT

OUT_OF_MEMORY = 'out of memory: '


class ChildError(Exception):
    """The child process failed; the message is its last line."""


def measure_operator(case: Case,
                     contestant: str,
                     train: bool,
                     device: str,
                     dtype: torch.dtype = torch.float32) -> dict:
    """Of a contestant's forward, or of forward and backward."""
    return _run_child(
        dict(
            kind='operator',
            case=dataclasses.asdict(case),
            contestant=contestant,
            train=train,
            device=device,
            dtype=str(dtype).split('.')[1],
            threads=torch.get_num_threads()))


def measure_model(config: dict, shape: tuple, train: bool,
                  device: str) -> dict:
    """Of a model's inference, or of one training iteration."""
    return _run_child(
        dict(
            kind='model',
            config=config,
            shape=shape,
            train=train,
            device=device,
            threads=torch.get_num_threads()))


def _run_child(job: dict) -> dict:
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', __name__,
         json.dumps(job)],
        cwd=ROOT,
        capture_output=True,
        text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [
            f'ended with status {done.returncode}'
        ]
        raise ChildError(lines[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _status(field: str) -> int:
    # getrusage's peak would be that of the parent if that is larger.
    with open('/proc/self/status') as file:
        for line in file:
            if line.startswith(f'{field}:'):
                return 1024 * int(line.split()[1])
    raise ChildError(f'/proc/self/status has no {field}')


def _fill_up_to_peak() -> torch.Tensor:
    """Ballast: from here on the peak rises with every byte allocated."""
    missing = _status('VmHWM') - _status('VmRSS')
    return torch.ones(max(0, missing) // 4)


def measure(function: Callable, device: str) -> dict:
    """Memory of a first call and seconds of a second one."""
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before, peak = (torch.cuda.memory_allocated(),
                        torch.cuda.max_memory_allocated)
    else:
        ballast = _fill_up_to_peak()  # noqa: F841  kept alive
        before, peak = _status('VmHWM'), partial(_status, 'VmHWM')
    result = function()
    if device == 'cuda':
        torch.cuda.synchronize()
    del result
    figures = dict(peak=peak(), extra=max(0, peak() - before))
    start = time.perf_counter()
    function()
    if device == 'cuda':
        torch.cuda.synchronize()
    return dict(figures, seconds=time.perf_counter() - start)


def _operator(case: dict, contestant: str, train: bool, device: str,
              dtype: str) -> Callable:
    from .contestants import make_contestant
    dtype = getattr(torch, dtype)

    def build(case: Case) -> Callable:
        # Case.operands draws in float64, which would be the peak.
        operands = {
            name: torch.rand(shape, dtype=dtype, device=device)
            for name, shape in case.shapes.items()
        }
        operands['atom_bases'] = case.bases(dtype, device)
        made = make_contestant(contestant, case, operands)
        return made.train if train else made.forward

    case = Case(
        **{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in case.items()
        })
    # Libraries are loaded before the count starts.
    build(dataclasses.replace(case, batch=1, size=(1, 1)))()
    return build(case)


def _model(config: dict, shape: list, train: bool, device: str) -> Callable:
    from .models import Step
    return Step(config, tuple(shape), device).function(train)


def main(job: Optional[str] = None) -> None:
    job = json.loads(job or sys.argv[1])
    torch.set_num_threads(job.pop('threads'))
    build = dict(operator=_operator, model=_model)[job.pop('kind')]
    try:
        figures = measure(build(**job), job['device'])
    except MemoryError as error:
        sys.exit(f'{OUT_OF_MEMORY}{error}')
    print(json.dumps(figures))


if __name__ == '__main__':
    main()

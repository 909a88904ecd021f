"""Peak memory of one call, measured by a process of its own: child.py."""
import dataclasses
import json
import subprocess
import sys
from functools import lru_cache
from typing import Sequence

import torch

from mmacda.testing.cases import Case

from .common import ROOT

CHILD = 'tools.benchmarks.child'
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


def measure_model(config: dict, shape: Sequence[int], train: bool,
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


@lru_cache(maxsize=None)
def _server() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', CHILD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True)


def _run_child(job: dict) -> dict:
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(f'{json.dumps(job)}\n')
    server.stdin.flush()
    line = server.stdout.readline()
    if not line:
        _server.cache_clear()
        raise ChildError(f'ended with status {server.wait()}')
    figures = json.loads(line)
    if 'error' in figures:
        raise ChildError(figures['error'])
    return figures

"""Runs a phase of a step of the GPU check, in a process of its own.

    python -m tools.gpu.child '{"step": "environment", "phase": "run", ...}'

A module of this folder is a step: its ``run`` gets a :class:`Run`; where it
has a ``prepare``, several processes run that before, each on its share.
"""
import tools.begin  # noqa: F401  before what takes seconds

import json
import logging
import sys
from importlib import import_module

import torch

from tools.benchmarks.common import prepare_gpu

from .journal import Warnings
from .run import Run


def main() -> None:
    run = Run(**json.loads(sys.argv[1]))
    if run.rehearsed or run.share[1] > 1:
        torch.set_num_threads(1)
    if not run.rehearsed:
        prepare_gpu()
    logging.getLogger('mmacda').addHandler(Warnings(run.report))
    with run.report.attempt(run.phase):
        getattr(import_module(f'tools.gpu.{run.step}'), run.phase)(run)


if __name__ == '__main__':
    main()

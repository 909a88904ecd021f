"""Bytes saved for backward and peak memory of the operator."""
from typing import Callable, Sequence

import torch

from mmacda.testing.cases import Case
from mmacda.testing.large_cases import GPU_CASES
from tools.analysis.memory import saved_storages

from . import goals
from .peak_memory import measure_operator
from .common import Report
from .contestants import CHOSEN, CONVS, UNFOLD, make_contestant

SECTION = 'memory'
MIB = 2**20
NAMES = (CHOSEN, UNFOLD, *CONVS)


def saved_bytes(function: Callable) -> int:
    """Bytes of all storages that a call keeps for its backward."""
    return sum(saved_storages(function).values())


def run(report: Report, cases: Sequence[Case], device: str,
        dtype: torch.dtype) -> None:
    """Saved bytes and peaks; those of unfold + einsum are the yardstick."""
    for case in cases:
        operands = case.operands(dtype, device)
        saved = {
            name: saved_bytes(make_contestant(name, case, operands).function)
            for name in NAMES
        }
        del operands
        _add(report, case, 'saved for backward', saved, goals.SAVED_BYTES)
        for train, measure, names in ((False, 'peak forward', (CHOSEN,
                                                               UNFOLD)),
                                      (True, 'peak forward+backward', NAMES)):
            peaks = {
                name: measure_operator(case, name, train, device,
                                       dtype)['extra']
                for name in names
            }
            _add(report, case, measure, peaks, goals.PEAK_MEMORY)


def _add(report: Report, case: Case, measure: str, sizes: dict,
         goal: float) -> None:
    for name, size in sizes.items():
        report.add(SECTION, str(case), measure, name, '', *[size / MIB] * 3,
                   'MiB')
    ratio = sizes[CHOSEN] / max(1, sizes[UNFOLD])
    report.add(SECTION, str(case), measure, CHOSEN, UNFOLD, *[ratio] * 3, 'x',
               goal if case in GPU_CASES else None)

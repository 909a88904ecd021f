"""Is the operator ever slower than unfold + einsum?"""
import os
import random
from contextlib import contextmanager
from typing import Dict, List, Sequence, Tuple

import torch

from mmacda.ops.backends.native.limits import ENVIRONMENT_VARIABLE
from mmacda.testing.cases import Case
from mmacda.testing.large_cases import SWEEP_CASES, draw_sweep_case

from . import goals
from .common import Quartiles, Report, Row, time_interleaved
from .contestants import CHOSEN, UNFOLD, check, make_contestant

SECTION = 'sweep'
WITHOUT_NATIVE = 'acda-stock'  # what a host without a compiler gets


@contextmanager
def without_native():
    before = os.environ.get(ENVIRONMENT_VARIABLE)
    os.environ[ENVIRONMENT_VARIABLE] = '0'
    try:
        yield
    finally:
        del os.environ[ENVIRONMENT_VARIABLE]
        if before is not None:
            os.environ[ENVIRONMENT_VARIABLE] = before


def all_cases(count: int, seed: int) -> List[Case]:
    """One of each kind, then ``count`` random ones."""
    rng = random.Random(seed)
    return SWEEP_CASES + [draw_sweep_case(rng) for _ in range(count)]


def run(report: Report, cases: Sequence[Case], rounds: int, device: str,
        dtype: torch.dtype) -> None:
    """Ratios by case; the worst of them beside the goal."""
    worst: Dict[Tuple[str, str], List[Row]] = {}
    for number, case in enumerate(cases, 1):
        print(f'case {number} of {len(cases)}', flush=True)
        operands = case.operands(dtype, device)
        check(case, operands, [CHOSEN])
        chosen = make_contestant(CHOSEN, case, operands)
        unfold = make_contestant(UNFOLD, case, operands)
        names = [CHOSEN]
        if device == 'cpu':
            names.append(WITHOUT_NATIVE)
            with without_native():
                check(case, operands, [CHOSEN])
        for measure, method in (('forward', 'forward'), ('forward+backward',
                                                         'train')):
            ours = getattr(chosen, method)

            def stock(ours=ours):
                with without_native():
                    return ours()

            functions = {CHOSEN: ours, WITHOUT_NATIVE: stock}
            times = time_interleaved(
                {
                    **{
                        name: functions[name]
                        for name in names
                    }, UNFOLD: getattr(unfold, method)
                }, rounds, device)
            for name in names:
                row = report.add_ratio(SECTION, str(case), measure, times,
                                       name, UNFOLD)
                worst.setdefault((name, measure), []).append(row)
    for (name, measure), rows in worst.items():
        _add_worst(report, name, measure, rows)


def _add_worst(report: Report, name: str, measure: str,
               rows: List[Row]) -> None:
    row = max(rows, key=lambda row: row.median)
    print(f'worst and middle of {len(rows)} cases:')
    report.add(*row)
    report.add(SECTION, 'all', measure, name, UNFOLD,
               *Quartiles.of([row.median for row in rows]), 'x')
    # In one or two rounds noise alone can do that.
    slower = sum(row.lower > 1 for row in rows)
    report.add(SECTION, 'slower in 3 of 4 rounds', measure, name, UNFOLD,
               slower, slower, slower, 'cases', goals.SLOWER_CASES)

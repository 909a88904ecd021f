"""The operator against standard convolutions and unfold + einsum."""
from typing import Sequence

import torch

from mmacda.testing.cases import Case

from . import goals
from .common import Report, time_interleaved
from .contestants import UNFOLD, check, fast_backends, make_contestant

SECTION = 'speed'
RIVALS = {
    'forward': ('conv7', 'conv5', 'conv3', UNFOLD),
    'forward+backward': ('conv7', 'conv3')  # on a GPU also UNFOLD
}


def run(report: Report, cases: Sequence[Case], rounds: int, device: str,
        dtype: torch.dtype) -> None:
    """Times of all contestants, and ratios beside their goals."""
    for case in cases:
        operands = case.operands(dtype, device)
        backends = fast_backends(case, operands)
        check(case, operands, backends)
        contestants = {
            name: make_contestant(name, case, operands)
            for name in (*backends, *RIVALS['forward'])
        }
        for measure, rivals in RIVALS.items():
            if device == 'cuda' and UNFOLD not in rivals:
                rivals += UNFOLD,
            method = 'forward' if measure == 'forward' else 'train'
            times = time_interleaved(
                {
                    name: getattr(contestants[name], method)
                    for name in (*backends, *rivals)
                }, rounds, device)
            report.add_times(SECTION, str(case), measure, times)
            for rival in rivals:
                for backend in backends:
                    goal = goals.limit(
                        str(case), measure, backend, rival, device,
                        report.dtype)
                    report.add_ratio(SECTION, str(case), measure, times,
                                     backend, rival, goal)

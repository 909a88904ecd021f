"""Calls of the operator, coefficients given, beside convolutions and unfold.

A backend is compared with the definition on every layer, output and
gradients; one that is wrong there is not timed.
"""
from typing import List, Optional, Sequence

from mmacda.ops.backends import DEPRECATED
from mmacda.testing.cases import Case, Operands, unsupported_reason
from tools.benchmarks import gpu_goals
from tools.benchmarks.contestants import (CONVS, UNFOLD, check,
                                          make_contestant)

from .cases import (Job, affordable, backends, dtype_name, fits, jobs,
                    unfold_bytes)
from .journal import LEFT_OUT, PASSED, free
from .run import Run
from .timing import Comparison, compare

SECTION = 'calls'
RIVALS = ('conv7', 'conv3', UNFOLD)
SECONDS = 8  # for a layer
# Layers for which the slow way is timed too: it takes most of the time.
WITH_STOCK = 2
# More than any cache; more copies of a small layer would help no more.
CACHE_BYTES, MOST_COPIES = 160 * 2**20, 8


def run(run: Run) -> None:
    for number, job in enumerate(jobs(run.device)):
        if not run.rehearsed and run.left() < SECONDS:
            run.report.note(str(job), LEFT_OUT, 'no time was left')
            continue
        with run.report.attempt(str(job)):
            run.report.dtype = dtype_name(job.dtype)
            time_job(run, job, number < WITH_STOCK,
                     () if number else DEPRECATED)
        free(run.device)


def time_job(run: Run, job: Job, with_stock: bool = True,
             deprecated: Sequence[str] = ()) -> None:
    """Rows of a layer; ``deprecated`` are backends beside those that stay."""
    operands = job.case.operands(job.dtype, run.device)
    names = [name for name in (*backends(), *deprecated)
             if (with_stock or name != 'stock')
             and is_right(run, job, operands, name)]
    rivals = [name for name in RIVALS
              if name in CONVS or fits(job.case, job.dtype, run.device)]
    sets = [operands, *copies(job.case, operands,
                              2 if run.rehearsed else MOST_COPIES)]
    contestants = {
        name: [make_contestant(name, job.case, given) for given in
               (sets[:1] if name == 'stock' else sets)]
        for name in (*names, *rivals)
    }

    def limit(measure: str, name: str, rival: str) -> Optional[float]:
        return gpu_goals.limit(str(job.case), measure, name, rival,
                               run.report.dtype)

    for measure, method in ((gpu_goals.FORWARD, 'forward'),
                            (gpu_goals.BOTH, 'train')):
        calls = {name: [getattr(one, method) for one in found]
                 for name, found in contestants.items()}
        compare(run, Comparison(SECTION, str(job.case), measure, calls,
                                rivals, limit, ('stock', )))


def is_right(run: Run, job: Job, operands: Operands, name: str) -> bool:
    """Compare a backend with the definition, and keep what was found."""
    what = f'{job}, {name}'
    reason = unsupported_reason(name, operands, job.case.geometry)
    if reason:
        run.report.note(what, LEFT_OUT, reason)
        return False
    right = False
    with run.report.attempt(what):
        case = affordable(job.case, run.device)
        check(case, some_images(operands, case), [name])
        run.report.note(what, PASSED, '' if case.batch == job.case.batch else
                        f'on {case.batch} of {job.case.batch} images')
        right = True
    return right


def some_images(operands: Operands, case: Case) -> Operands:
    """Those of the first images."""
    cut = ('input', 'basis_coefficients')
    return {name: value[:case.batch] if name in cut and value is not None
            else value for name, value in operands.items()}


def copies(case: Case, operands: Operands, most: int) -> List[Operands]:
    """The same elsewhere in memory, so that no cache holds all of them."""
    element = operands['input'].element_size()
    size = 2 * unfold_bytes(case, operands['input'].dtype) // case.support**2
    size += case.batch * case.num_atoms * case.num_coefficients * \
        case.out_size[0] * case.out_size[1] * element
    count = min(most, -(-CACHE_BYTES // size))
    return [{name: None if value is None else value.clone()
             for name, value in operands.items()} for _ in range(count - 1)]

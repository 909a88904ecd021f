"""Fuzzing: any call gives a finite result or an error that says why not.

A target is a function of hypothesis' ``draw`` that draws arguments, mostly
good ones, and returns a call. Add one with ``@target(share)`` in a module
that ``test_fuzz.py`` imports; its share of the cases is relative to the
others'. 2,000 cases run in ``make test``, more with ``make fuzz CASES=...``.
"""
import os
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import mmcv
import mmengine
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmacda

CASES = int(os.environ.get('MMACDA_FUZZ_CASES') or 2000)
LONG = 'MMACDA_FUZZ_CASES' in os.environ
# Whose errors tell of arguments: ours, and the frameworks' registries'.
SPEAKERS = tuple(
    str(Path(package.__file__).parent) for package in (mmacda, mmcv, mmengine))
DOCUMENTED = (TypeError, ValueError)
# What no argument of ours accepts everywhere: of a wrong type or range.
JUNK = (None, True, -1, 0, 2, 1.5, float('nan'), '3', b'3', (), (1, ), [1, 2],
        (1, 2, 3), (1, -1), {}, object)


@dataclass
class Target:
    name: str
    share: int
    draw_call: Callable
    errors: Tuple[type, ...]


@dataclass
class Tally:
    """What came of the cases of one target."""
    cases: int = 0
    refused: int = 0


TARGETS: List[Target] = []


def target(share: int, errors: Tuple[type, ...] = ()) -> Callable:
    """Register a function ``draw -> call`` to be fuzzed.

    Args:
        share (int): Relative number of cases.
        errors (Tuple[type, ...]): What its docstring lists under Raises, but
            for TypeError and ValueError.
    """

    def register(function: Callable) -> Callable:
        TARGETS.append(
            Target(function.__name__, share, function, DOCUMENTED + errors))
        return function

    return register


def spoil(draw: Callable,
          arguments: dict,
          chance: int = 4,
          more: tuple = ()) -> dict:
    """In one of ``chance`` cases, junk in place of one or two arguments."""
    if draw(st.sampled_from(range(chance))) == chance - 1:
        for _ in range(draw(st.integers(1, 2))):
            name = draw(st.sampled_from(sorted(arguments)))
            arguments = {**arguments, name: draw(st.sampled_from(JUNK + more))}
    return arguments


def tensors(draw: Callable, shape: Tuple[int, ...], dtype=torch.float32,
            magnitudes: Tuple[float, ...] = (0., 1e-6, 1., 1e3)
            ) -> torch.Tensor:
    """A finite tensor of a drawn magnitude."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    values = torch.randn(shape, generator=generator)
    return (values * draw(st.sampled_from(magnitudes))).to(dtype)


def leaves(value: Any) -> List[Any]:
    """Numbers and arrays of a nested result."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def is_finite(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return not (value.is_floating_point()
                    or value.is_complex()) or bool(value.isfinite().all())
    if isinstance(value, (float, np.floating, np.ndarray)) \
            and np.asarray(value).dtype.kind == 'f':
        return bool(np.isfinite(value).all())
    return True


def origin(error: BaseException) -> Optional[str]:
    """The file that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename if frames else None


def run(goal: Target, call: Callable, tally: Tally) -> None:
    """One case: a finite result, or one of our documented errors."""
    tally.cases += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            result = call()
    except goal.errors as error:
        tally.refused += 1
        assert str(error), f'{goal.name}: an error without a message'
        place = origin(error)
        assert place.startswith(SPEAKERS), (
            f'{goal.name}: {type(error).__name__} of {place}, which knows '
            f'nothing of our arguments: {error}')
        return
    bad = [leaf for leaf in leaves(result) if not is_finite(leaf)]
    assert not bad, f'{goal.name}: finite input gave {bad[0]}'


def fuzz(goal: Target) -> Tally:
    """Run a target's share of all cases."""
    tally = Tally()
    total = sum(t.share for t in TARGETS)
    cases = -(-CASES * goal.share // total)

    @settings(
        max_examples=cases,
        deadline=None,
        derandomize=not LONG,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run_cases(data):
        run(goal, goal.draw_call(data.draw), tally)

    run_cases()
    return tally


def parametrize(function: Callable) -> Callable:
    return pytest.mark.parametrize(
        'goal', TARGETS, ids=[goal.name for goal in TARGETS])(function)

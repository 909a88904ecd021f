"""The figures behind `make trust`: measured by tests, held to a bound.

A test marked ``trust('line/claim', ...)`` shows claims of ``claims.yml``. With
the environment variable MMACDA_FIGURES it leaves a JSON file in that folder:
outcome, figures, and what failed. tools/trust.py makes one table of them.
"""
import json
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
import yaml

FOLDER = 'MMACDA_FIGURES'
ROOT = Path(__file__).resolve().parents[2]
FIGURES = pytest.StashKey[list]()
RELATIONS = {
    '<=': lambda value, bound: value <= bound,
    '>=': lambda value, bound: value >= bound,
    '==': lambda value, bound: value == bound,
}


@lru_cache(maxsize=None)
def load_claims() -> Dict[str, str]:
    """Text of every claim, by 'line/claim'."""
    lines = yaml.safe_load(Path(__file__).with_name('claims.yml').read_text(
        encoding='utf-8'))
    return {
        f'{line}/{claim}': text
        for line, claims in lines.items()
        for claim, text in claims.items()
    }


def claims_of(item) -> Tuple[str, ...]:
    marker = item.get_closest_marker('trust')
    return marker.args if marker else ()


@pytest.fixture
def figure(request):
    """Record a measured figure, then hold it to its bound.

    ``figure(name, value, bound, relation='<=')``; without a bound the figure
    is only printed. A test with several claims adds ``claim='line/claim'``.
    """
    claims = claims_of(request.node)
    recorded = request.node.stash.setdefault(FIGURES, [])

    def record(name: str,
               value: Any,
               bound: Any = None,
               relation: str = '<=',
               claim: str = None) -> None:
        if claim is None:
            assert len(claims) == 1, f'which of the claims {claims}?'
            claim, = claims
        assert claim in claims, f'{claim} is not marked on the test'
        passed = bound is None or bool(RELATIONS[relation](value, bound))
        recorded.append(
            dict(
                claim=claim,
                name=name,
                value=value,
                bound=bound,
                relation=relation,
                passed=passed))
        assert passed, f'{name}: {value} is not {relation} {bound}'

    return record


def pytest_collection_modifyitems(items):
    for item in items:
        unknown = set(claims_of(item)) - set(load_claims())
        if unknown:
            raise pytest.UsageError(
                f'{item.nodeid}: {sorted(unknown)} not in claims.yml')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    folder = os.environ.get(FOLDER)
    # A test's call, or what kept it from being called.
    if folder and claims_of(item) and (report.when == 'call'
                                       or not report.passed):
        _write(Path(folder), item, report)
    return report


def _write(folder: Path, item, report) -> None:
    reason = ''
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
    elif report.failed:
        crash = getattr(report.longrepr, 'reprcrash', None)
        reason = crash.message if crash else report.longreprtext
    record = dict(
        test=item.nodeid,
        claims=claims_of(item),
        long=item.get_closest_marker('long') is not None,
        outcome=report.outcome,
        reason=(reason.strip().splitlines() or [''])[0],
        seconds=report.duration,
        commit=_commit(),
        figures=item.stash.get(FIGURES, []))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r'[^\w.-]+', '-', item.nodeid) + '.json')
    temporary = path.with_suffix('.part')
    temporary.write_text(json.dumps(record, indent=1, default=str),
        encoding='utf-8')
    os.replace(temporary, path)


@lru_cache(maxsize=None)
def _commit() -> str:
    done = subprocess.run(
        ['git', 'describe', '--always', '--dirty'],
        cwd=ROOT,
        capture_output=True,
        text=True)
    return done.stdout.strip() or 'unknown'

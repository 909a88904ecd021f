"""New memory full of NaN, and Triton's interpreter.

Tests marked ``interpreted`` run under the interpreter, which a process chooses
before it imports Triton. So one child process runs all of a file that were
selected, and each then reports here what became of it there.
"""
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

VARIABLE = 'TRITON_INTERPRET'
OUTCOMES = pytest.StashKey()  # by file


@pytest.fixture
def nan_in_new_memory():
    """Every ``torch.empty`` comes filled with NaN."""
    if not hasattr(torch.utils, 'deterministic'):
        pytest.skip('torch < 2.2 does not fill uninitialized memory')
    before = (torch.are_deterministic_algorithms_enabled(),
              torch.is_deterministic_algorithms_warn_only_enabled(),
              torch.utils.deterministic.fill_uninitialized_memory)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    torch.utils.deterministic.fill_uninitialized_memory = before[2]


def pytest_configure(config):
    config.addinivalue_line(
        'markers', "interpreted: in Triton's interpreter, without a GPU")


def _is_interpreted(item) -> bool:
    return item.get_closest_marker('interpreted') is not None


def pytest_runtest_setup(item):
    if not _is_interpreted(item):
        return
    try:
        found = version('triton')
    except PackageNotFoundError:
        pytest.skip('Triton is not installed')
    if _numbers(found) < (3, 0):
        pytest.skip(f'Triton {found} has no such interpreter')
    if _numbers(found) < (3, 7) and _numbers(np.__version__) >= (2, 5):
        pytest.skip(f'the interpreter of Triton {found} takes arrays of one '
                    f'element for numbers, which NumPy {np.__version__} ends')


def _numbers(text: str) -> tuple:
    """Major and minor version."""
    return tuple(map(int, text.split('.')[:2]))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if os.environ.get(VARIABLE) or not _is_interpreted(pyfuncitem):
        return None
    session, path = pyfuncitem.session, pyfuncitem.path
    outcomes = session.stash.setdefault(OUTCOMES, {})
    if path not in outcomes:
        # Of this file alone: other processes may have the others.
        outcomes[path] = _run_all(
            session.config,
            [i for i in session.items
             if i.path == path and _is_interpreted(i)])
    kind, text = outcomes[path][_name(pyfuncitem)]
    if kind == 'skipped':
        pytest.skip(text)
    if kind is not None:
        pytest.fail(text, pytrace=False)
    return True


def _name(item):
    module = item.nodeid.split('::')[0][:-len('.py')].replace('/', '.')
    return module, item.name


def _run_all(config, items) -> dict:
    """(None or failure, error or skipped; text) by module and name."""
    folder = config._tmp_path_factory.mktemp('interpreted')
    report = folder / 'report.xml'
    command = [sys.executable, '-m', 'pytest', '-q', f'--junit-xml={report}']
    done = subprocess.run(
        command + [item.nodeid for item in items],
        env=dict(os.environ, **{VARIABLE: '1'}),
        cwd=config.rootpath,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True)
    lost = 'error', f'not run, or not to its end:\n{done.stdout[-4000:]}'
    outcomes = {_name(item): lost for item in items}
    if report.exists():
        for case in ElementTree.parse(report).iter('testcase'):
            outcomes[case.get('classname'), case.get('name')] = next(
                ((part.tag, part.text or part.get('message'))
                 for part in case
                 if part.tag in ('failure', 'error', 'skipped')), (None, ''))
    return outcomes

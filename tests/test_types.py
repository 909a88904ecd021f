"""Type hints of the operator, the layers and the checkpoints."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.trust('packaging/mypy')
def test_mypy_finds_no_errors(tmp_path, figure):
    pytest.importorskip('mypy')
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--cache-dir', tmp_path],
        cwd=ROOT, capture_output=True, text=True)
    assert re.search(r'no issues found in \d+ source files', done.stdout), \
        done.stdout + done.stderr
    figure('mypy', done.stdout.strip())


def test_every_ignored_line_says_which_error():
    for path in sorted((ROOT / 'mmacda').rglob('*.py')):
        for line in path.read_text(encoding='utf-8').splitlines():
            if 'type: ignore' in line:
                assert re.search(r'type: ignore\[[\w-]+\]', line), path

"""How long `.ci/run` took."""
from pathlib import Path

import pytest

SECONDS = Path(__file__).parents[2] / 'work_dirs/trust/ci-seconds'


@pytest.mark.long
@pytest.mark.trust('ci/time')
def test_seconds_of_ci(figure):
    if not SECONDS.is_file():
        pytest.skip('.ci/run was not run')
    figure('seconds of .ci/run', int(SECONDS.read_text(
        encoding='utf-8')), 25 * 60, '<=')

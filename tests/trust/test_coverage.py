"""What `make coverage` found."""
import json
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / 'work_dirs/coverage/report.json'


@pytest.mark.long
@pytest.mark.trust('inputs/coverage')
def test_lines_of_mmacda(figure):
    if not REPORT.is_file():
        pytest.skip('make coverage was not run')
    totals = json.loads(REPORT.read_text(encoding='utf-8'))['totals']
    figure('lines of mmacda', totals['num_statements'])
    figure('covered by the quick tests, in %', totals['percent_covered'], 90.,
           '>=')

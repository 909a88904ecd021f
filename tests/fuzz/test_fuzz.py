"""2,000 calls of the public API: results or documented errors."""
import pytest

from . import (data_targets, inferencer_targets,  # noqa: F401
               layer_targets, operator_targets)
from .harness import fuzz, parametrize


@pytest.mark.trust('inputs/fuzz')
@parametrize
def test_results_or_documented_errors(goal, figure):
    tally = fuzz(goal)
    figure(f'{goal.name}: cases', tally.cases)
    figure(f'{goal.name}: of them refused with a documented error',
           tally.refused)
    # Not all of it was junk.
    assert tally.cases - tally.refused >= 3

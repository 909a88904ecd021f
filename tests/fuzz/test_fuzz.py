"""2,000 calls of the public API: results or documented errors."""
import pytest

from . import (data_targets, inferencer_targets,  # noqa: F401
               layer_targets, operator_targets)
from .harness import fuzz, parametrize


@pytest.mark.trust('inputs/fuzz')
@parametrize
def test_results_or_documented_errors(goal, figure):
    tally = fuzz(goal)
    # Not all of it junk: most of what is drawn is meant to work.
    figure(f'{goal.name}: cases', tally.cases)
    figure(f'{goal.name}: share that was refused with a documented error',
           tally.refused / tally.cases, 0.9)

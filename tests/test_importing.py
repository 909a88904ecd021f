"""Importing adds names of our own, and changes nothing that was there."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name('import_everything.py')


@pytest.mark.trust('packaging/import')
def test_importing_changes_nothing(figure):
    """Nothing that the process shares: of all modules but mmacda.patches."""
    done = subprocess.run([sys.executable, '-W', 'ignore', SCRIPT],
                          capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=SCRIPT.parents[1]))
    assert done.returncode == 0, done.stderr[-3000:]
    *imported, patched = json.loads(done.stdout)
    for changed, foreign, added in imported:
        assert changed == [] and foreign == []
        assert {'registry mmengine.model.ACDAConv', 'backend whole',
                'registry mmengine.hook.WholeCheckpointHook'} <= set(added)
    assert sorted(patched[0]) == [
        'backend local', 'load_checkpoint', "prefix ''",
        'registry mmengine.optim_wrapper.AmpOptimWrapper', "scheme ''"
    ] and patched[1] == []
    figure('shared things that importing changed', 0)

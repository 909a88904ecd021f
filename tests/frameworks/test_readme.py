"""README's config, here and in an empty environment."""
import os
import subprocess
import sys
import venv

import numpy as np
import pytest

from tests.frameworks.harness import losses
from tests.frameworks.readme_config import ROOT, train_readme_config


def check(folder, log):
    found = losses(log)
    assert len(found) == 2 and np.isfinite(found).all()
    assert 'accuracy/top1' in log
    assert (folder / 'work_dirs' / 'my_config' / 'epoch_1.pth').exists()


def test_readme_s_config_trains(tmp_path):
    pytest.importorskip('mmpretrain')
    check(tmp_path, train_readme_config(sys.executable, tmp_path,
                                        PYTHONPATH=str(ROOT)))


@pytest.mark.long
@pytest.mark.parametrize('extra', ['mmpretrain', 'onedl'])
def test_an_empty_environment_runs_readme_s_lines(extra, tmp_path):
    """`pip install '.[EXTRA]'` and nothing else, PyTorch included."""
    root = tmp_path / 'checkout'
    subprocess.run(['git', 'clone', '-q', ROOT, root], check=True)
    folder = tmp_path / 'venv'
    venv.create(folder, with_pip=True)
    python = str(folder / 'bin' / 'python')
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        [python, '-m', 'pip', 'install', '-q', f'.[{extra}]'], cwd=root,
        env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    log = train_readme_config(python, tmp_path, PYTHONPATH='')
    check(tmp_path, log)
    assert 'are both installed' not in log

"""A full disk and a read-only work_dir: one clear error, nothing lost."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmacda.checkpoints import is_whole

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMESPACE = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']


def can_mount():
    if not shutil.which('unshare'):
        return False
    return subprocess.run([*NAMESPACE, 'mount -t tmpfs tmpfs /mnt'],
                          capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.skipif(not can_mount(), reason='cannot mount a small disk'),
    pytest.mark.trust('faults/work-dir'),
]


def train_on(disk, tmp_path):
    """Train in a work folder on a disk of its own; a copy of that folder."""
    work_dir, copy = tmp_path / 'work', tmp_path / 'copy'
    work_dir.mkdir()
    script = (f'mount -t tmpfs -o {disk} tmpfs "$1" && shift || exit 99; '
              '"$@"; code=$?; cp -r "$WORK" "$COPY"; exit $code')
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1',
               WORK=str(work_dir), COPY=str(copy))
    done = subprocess.run(
        [*NAMESPACE, script, 'sh', work_dir, sys.executable, '-W', 'ignore',
         ROOT / 'tools/train.py', HERE / 'killed_patterns.py', '--work-dir',
         work_dir],
        env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode not in (0, 99), done.stderr
    return work_dir, copy, done.stderr.strip().splitlines()[-1]


def test_full_disk(tmp_path, figure):
    work_dir, copy, error = train_on('size=900k', tmp_path)
    assert 'No space left on device' in error
    assert f'{work_dir}/iter_4.pth' in error and 'was not written' in error
    figure('full disk: last line', error)
    # The checkpoint before is whole, and the next resume finds it.
    assert [path.name for path in copy.glob('*iter*')] == ['iter_2.pth']
    assert is_whole(str(copy / 'iter_2.pth'))
    assert (copy / 'last_checkpoint').read_text(
        encoding='utf-8') == f'{work_dir}/iter_2.pth'


def test_read_only_work_dir(tmp_path, figure):
    work_dir, _, error = train_on('ro', tmp_path)
    assert 'may not be written to' in error and str(work_dir) in error
    figure('read-only work_dir: last line', error)

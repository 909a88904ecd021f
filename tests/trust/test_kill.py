"""kill -9 at random moments, and resume: nothing is lost but steps."""
import random
import re
import time
from pathlib import Path

import pytest
import torch

from mmacda.checkpoints import is_whole, load_checkpoint
from tests import fresh

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT = 900  # seconds that a start may take before it counts as hung


class Training:
    """tools/train.py --resume in one work folder."""

    def __init__(self, config, work_dir, *options):
        self.work_dir = work_dir
        self.process = None
        self.command = [ROOT / 'tools/train.py', HERE / config, '--work-dir',
                        work_dir, '--resume', *options]

    def start(self):
        self.process = fresh.Process(*self.command, OMP_NUM_THREADS='1')
        return self.process

    def finish(self):
        assert self.start().wait(LIMIT) == 0, self.process.text[-2000:]

    def written(self):
        """Step of the last whole checkpoint."""
        return max((int(re.search(r'_(\d+)\.pth', path.name)[1])
                    for path in self.work_dir.glob('[ei]*_*.pth')
                    if is_whole(str(path))), default=0)

    def being_written(self):
        return any(self.work_dir.glob('.*.pth.*.part'))

    def resumed(self, key):
        """Step that the running process resumed from, once it has."""
        found = re.search(rf'resumed .*{key}: (\d+)', self.process.text)
        return int(found[1]) if found else 0

    def wait_for(self, condition, process, pause=0.005):
        end = time.monotonic() + LIMIT
        while not condition():
            assert process.poll() is None, process.text[-2000:]
            assert time.monotonic() < end
            time.sleep(pause)

    def kill(self, rng, aim):
        """Start, kill at a random moment; True if that was while writing."""
        process, before = self.start(), self.written()
        try:
            if aim == 'start':
                time.sleep(rng.uniform(0, 4))
            else:
                self.wait_for(lambda: self.written() > before, process)
            if aim == 'step':
                time.sleep(rng.uniform(0, 0.2))
            elif aim == 'write':
                self.wait_for(self.being_written, process, pause=0.0005)
        finally:
            process.kill()
        return self.being_written()


def final_state(work_dir):
    path = Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8'))
    checkpoint = load_checkpoint(str(path))
    return {
        key: checkpoint[key]
        for key in ('state_dict', 'optimizer', 'param_schedulers')
    }, checkpoint['meta']['iter']


def count_differences(actual, expected):
    """Leaves that differ in a bit."""
    if isinstance(expected, torch.Tensor):
        return int(not torch.equal(actual, expected))
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        actual, expected = actual.values(), expected.values()
    if isinstance(expected, (list, tuple, type({}.values()))):
        assert len(actual) == len(expected)
        return sum(map(count_differences, actual, expected))
    return int(actual != expected)


def kill_and_resume(config, unit, kills, folder, figure):
    whole = Training(config, folder / 'whole')
    whole.finish()
    expected, steps = final_state(whole.work_dir)

    rng = random.Random(7)
    training = Training(config, folder / 'killed')
    # Every second while a checkpoint is written, some while starting.
    aims = [('write', 'step', 'write', 'start')[n % 4] for n in range(kills)]
    lost, writing = 0, 0
    for aim in aims:
        reached = training.written()
        writing += training.kill(rng, aim)
        if aim != 'start':
            lost += training.resumed(unit) != reached
    reached = training.written()
    training.finish()
    lost += training.resumed(unit) != reached
    actual, iterations = final_state(training.work_dir)
    assert iterations == steps
    figure(f'{config}: kills', kills)
    figure(f'{config}: kills that left a checkpoint half written', writing, 1,
           '>=')
    figure(f'{config}: resumes not from the last whole checkpoint', lost, 0)
    figure(f'{config}: numbers and tensors that differ from an uninterrupted '
           'run', count_differences(actual, expected), 0)
    leftovers = list(training.work_dir.glob('.*.part'))
    assert not leftovers and len(list(
        training.work_dir.glob('[ei]*_*.pth'))) <= 2


@pytest.mark.trust('faults/kill')
def test_two_kills(tmp_path, figure):
    kill_and_resume('killed_patterns.py', 'iter', 2, tmp_path, figure)


@pytest.mark.long
@pytest.mark.trust('faults/kill')
def test_twenty_kills(tmp_path, figure):
    pytest.importorskip('mmpretrain')
    kill_and_resume('killed_digits.py', 'epoch', 20, tmp_path, figure)

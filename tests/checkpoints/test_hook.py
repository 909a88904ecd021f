"""No moment without a whole checkpoint, and the newest one is found."""
import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmacda.checkpoints import WholeCheckpointHook, is_whole

CONFIG = Path(__file__).parents[2] / 'configs/patterns/conv_patterns.py'


@pytest.fixture
def make_runner(tmp_path, monkeypatch):
    """A Runner of one small convolution that saves every second step."""
    # It asks compilers for their versions, which takes most of the time.
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)

    def make(max_iters=6, hooks=(), resume=True, load_from=None, **options):
        cfg = Config.fromfile(CONFIG)
        cfg.merge_from_dict({
            'train_dataloader.dataset.size': 48,
            'train_dataloader.dataset.num_patterns': 4,
            'train_cfg.max_iters': max_iters,
            'default_hooks.checkpoint.interval': 2,
            'work_dir': str(tmp_path / 'work'),
            'resume': resume,
            'load_from': load_from,
            'experiment_name': f'run{len(os.listdir(tmp_path))}{max_iters}',
            'log_level': 'WARNING',
            **options
        })
        runner = Runner.from_cfg(cfg)
        for hook in hooks:
            runner.register_hook(hook)
        return runner

    return make


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def age(path, seconds):
    """Pretend that a file was written earlier."""
    then = os.path.getmtime(path) - seconds
    os.utime(path, (then, then))


def test_takes_the_place_of_mmengine_s():
    assert HOOKS.get('CheckpointHook') is WholeCheckpointHook
    assert issubclass(WholeCheckpointHook, CheckpointHook)


class Killed(Exception):
    pass


class KillAtSave(Hook):
    """Stops while the n-th checkpoint is made."""

    def __init__(self, count):
        self.count = count

    def before_save_checkpoint(self, runner, checkpoint):
        self.count -= 1
        if not self.count:
            raise Killed


def test_the_old_checkpoint_outlives_the_making_of_the_new(
        make_runner, tmp_path):
    options = {'default_hooks.checkpoint.max_keep_ckpts': 1}
    with pytest.raises(Killed):
        make_runner(hooks=[KillAtSave(3)], **options).train()
    assert names(tmp_path / 'work') == ['iter_4.pth']
    make_runner(**options).train()
    assert names(tmp_path / 'work') == ['iter_6.pth']


def test_only_as_many_are_kept_as_asked(make_runner, tmp_path):
    make_runner(10, **{'default_hooks.checkpoint.max_keep_ckpts': 2}).train()
    assert names(tmp_path / 'work') == ['iter_10.pth', 'iter_8.pth']


def test_resumes_from_the_named_checkpoint(make_runner, tmp_path):
    make_runner(6).train()
    marker = tmp_path / 'work' / 'last_checkpoint'
    marker.write_text(str(tmp_path / 'work' / 'iter_4.pth'),
        encoding='utf-8')  # by hand
    runner = make_runner(6)
    assert runner.train_loop.iter == 0
    runner.call_hook('before_run')
    assert marker.read_text(encoding='utf-8').endswith('iter_4.pth')


class Start(Hook):
    """Where a training started."""

    def before_train(self, runner):
        self.iter = runner.iter


@pytest.mark.parametrize('state', ('truncated', 'absent', 'empty marker',
                                   'no marker', 'old marker'))
def test_finds_the_newest_whole_checkpoint(make_runner, tmp_path, state):
    work_dir = tmp_path / 'work'
    make_runner(6).train()
    marker, last = work_dir / 'last_checkpoint', work_dir / 'iter_6.pth'
    expected = 4
    if state == 'truncated':
        last.write_bytes(last.read_bytes()[:-1])
        assert not is_whole(str(last))
    elif state == 'absent':
        last.unlink()
    else:
        expected = 6
    if state == 'empty marker':
        marker.write_text('', encoding='utf-8')
    elif state == 'no marker':
        marker.unlink()
    elif state == 'old marker':  # killed before it was written
        marker.write_text(str(work_dir / 'iter_4.pth'), encoding='utf-8')
        age(marker, 100)
    start = Start()
    make_runner(8, hooks=[start]).train()
    assert start.iter == expected
    assert marker.read_text(encoding='utf-8') == str(work_dir / 'iter_8.pth')


def test_checkpoints_of_an_earlier_training_are_not_taken(
        make_runner, tmp_path):
    work_dir = tmp_path / 'work'
    make_runner(6).train()
    for path in work_dir.glob('*.pth'):
        age(path, 100)
    make_runner(2, resume=False).train()
    runner = make_runner(4)
    runner.train()
    assert (work_dir / 'last_checkpoint').read_text(
        encoding='utf-8').endswith('iter_4.pth')


def test_starts_anew_only_in_an_empty_folder(make_runner, tmp_path):
    make_runner(2).train()
    (tmp_path / 'work' / 'iter_2.pth').write_bytes(b'PK')
    with pytest.raises(ValueError, match='iter_2.pth.* missing or truncated'):
        make_runner(4).train()


def test_leftovers_of_a_kill_are_removed(make_runner, tmp_path):
    make_runner(2).train()
    leftover = tmp_path / 'work' / '.iter_4.pth.123.part'
    leftover.write_bytes(b'PK')
    make_runner(4).train()
    assert not leftover.exists()


def test_checkpoints_elsewhere(make_runner, tmp_path):
    options = {'default_hooks.checkpoint.out_dir': str(tmp_path / 'out')}
    make_runner(4, **options).train()
    folder = tmp_path / 'out' / 'work'
    assert names(folder) == ['iter_2.pth', 'iter_4.pth']
    (folder / 'iter_4.pth').unlink()
    runner = make_runner(6, **options)
    runner.train()
    assert names(folder) == ['iter_2.pth', 'iter_4.pth', 'iter_6.pth']


class Validate(Hook):
    """Gives every second step a score, after its checkpoint was written."""
    priority = 'LOWEST'

    def __init__(self, scores):
        self.scores = iter(scores)

    def after_train_iter(self, runner, batch_idx, **_):
        if batch_idx % 2:
            hook, = (hook for hook in runner.hooks
                     if isinstance(hook, WholeCheckpointHook))
            hook.after_val_epoch(runner, dict(score=next(self.scores)))


def test_one_best_checkpoint_is_kept(make_runner, tmp_path):
    make_runner(
        8,
        hooks=[Validate([1., 3., 2., 4.])],
        **{
            'default_hooks.checkpoint.save_best': 'score',
            'default_hooks.checkpoint.rule': 'greater'
        }).train()
    best = [n for n in names(tmp_path / 'work') if n.startswith('best')]
    assert best == ['best_score_iter_7.pth']


def test_a_checkpoint_of_another_model_cannot_be_resumed(
        make_runner, tmp_path):
    make_runner(2).train()
    with pytest.raises(ValueError, match='another model.*layer.weight'):
        make_runner(4, **{'model.kernel_size': 5}).train()


def test_weights_alone_cannot_be_resumed(make_runner, tmp_path):
    runner = make_runner(2)
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=runner.model.state_dict()), path)
    with pytest.raises(ValueError, match='no meta, message_hub'):
        make_runner(4, load_from=str(path)).train()
    make_runner(2, resume=False, load_from=str(path)).train()

"""No moment without a whole checkpoint, and the newest one is found."""
import os

import pytest
import torch
from mmengine.fileio import LocalBackend, get_file_backend, register_backend
from mmengine.hooks import Hook

from mmacda.checkpoints import WholeCheckpointHook, is_whole


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def age(path, seconds):
    """Pretend that a file was written earlier."""
    then = os.path.getmtime(path) - seconds
    os.utime(path, (then, then))


def test_writes_whole_files_by_itself(make_runner, tmp_path, monkeypatch):
    """Without anything of MMEngine's being replaced."""

    def fail(*_):
        raise AssertionError('written by MMEngine')

    runner, replaced = make_runner(2), type(get_file_backend(tmp_path))
    monkeypatch.setattr(LocalBackend, 'put', fail)
    register_backend('local', LocalBackend, force=True, prefixes='')
    try:
        runner.train()
    finally:
        register_backend('local', replaced, force=True, prefixes='')
    assert is_whole(str(tmp_path / 'work' / 'iter_2.pth'))


def test_a_backend_of_the_user_s_stays(make_runner, tmp_path):
    local = dict(backend='local')
    runner = make_runner(2, **{'default_hooks.checkpoint.backend_args': local})
    runner.train()
    hook, = (h for h in runner.hooks if isinstance(h, WholeCheckpointHook))
    assert hook.backend_args == local
    assert names(tmp_path / 'work') == ['iter_2.pth']


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
    marker.write_text(str(tmp_path / 'work' / 'iter_4.pth'))  # by hand
    runner = make_runner(6)
    assert runner.train_loop.iter == 0
    runner.call_hook('before_run')
    assert marker.read_text().endswith('iter_4.pth')


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
        marker.write_text('')
    elif state == 'no marker':
        marker.unlink()
    elif state == 'old marker':  # killed before it was written
        marker.write_text(str(work_dir / 'iter_4.pth'))
        age(marker, 100)
    start = Start()
    make_runner(8, hooks=[start]).train()
    assert start.iter == expected
    assert marker.read_text() == str(work_dir / 'iter_8.pth')


def test_checkpoints_of_an_earlier_training_are_not_taken(
        make_runner, tmp_path):
    work_dir = tmp_path / 'work'
    make_runner(6).train()
    for path in work_dir.glob('*.pth'):
        age(path, 100)
    make_runner(2, resume=False).train()
    runner = make_runner(4)
    runner.train()
    assert (work_dir / 'last_checkpoint').read_text().endswith('iter_4.pth')


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


class Logged(Hook):
    """Warnings while a checkpoint is loaded."""

    def before_run(self, runner):
        self.messages, logger = [], runner.logger
        logger.warning = self.messages.append


@pytest.mark.trust('faults/checkpoint')
@pytest.mark.parametrize('strict', (False, True))
def test_fine_tuning_from_another_model(make_runner, tmp_path, strict):
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict={'layer.weight': torch.ones(1)}), path)
    logged = Logged()
    runner = make_runner(
        2, [logged], resume=False, load_from=str(path),
        **{'default_hooks.checkpoint.strict': strict})
    if strict:
        with pytest.raises(ValueError, match='another model: no weight of it'):
            runner.train()
        return
    runner.train()
    message, = logged.messages
    assert 'another model: no weight of it fits (layer.weight is (1,) in ' \
        'place of' in message and 'strict=True' in message

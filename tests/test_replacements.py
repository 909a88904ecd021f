"""Each replacement by itself: again, and undone."""
from pickle import UnpicklingError

import pytest
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import MessageHub
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import CheckpointLoader, save_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint
from mmengine.runner.checkpoint import load_from_local as mmengines_loader

from mmacda import replacements
from mmacda.checkpoints import WholeFileBackend, load_from_local
from mmacda.optim import AnyDeviceAmpOptimWrapper

from .checkpoints.conftest import refuses_code

NAMES = ('allow_amp_on_cpus', 'allow_training_checkpoints',
         'load_local_checkpoints_with_clear_errors', 'write_checkpoints_whole')


def in_place():
    """What stands where each replacement works."""
    return dict(
        zip(NAMES,
            (OPTIM_WRAPPERS.get('AmpOptimWrapper'),
             CheckpointLoader.__dict__['load_checkpoint'],
             CheckpointLoader._get_checkpoint_loader('file'),
             type(get_file_backend('file')))))


@pytest.fixture
def as_mmengine_is():
    """Undo what other tests of this process have imported."""
    before = in_place()
    undo = [
        replacements._register_amp(AmpOptimWrapper),
        replacements._register_local(LocalBackend),
        replacements._register_loader(mmengines_loader)
    ]
    loader = before['allow_training_checkpoints']
    plain = getattr(loader.__func__, '__wrapped__', loader.__func__)
    CheckpointLoader.load_checkpoint = classmethod(plain)
    yield
    CheckpointLoader.load_checkpoint = loader
    for function in undo:
        function()
    assert in_place() == before


@pytest.mark.parametrize('name', NAMES)
def test_replaces_one_thing_and_puts_it_back(as_mmengine_is, name):
    before = in_place()
    undo = getattr(replacements, name)()
    once = in_place()
    assert [key for key in NAMES if once[key] is not before[key]] == [name]
    undo_again = getattr(replacements, name)()
    assert in_place() == once
    undo_again()
    assert in_place() == once
    undo()
    assert in_place() == before


def test_names_of_what_is_replaced(as_mmengine_is):
    undo = [getattr(replacements, name)() for name in NAMES]
    found = in_place()
    assert found['allow_amp_on_cpus'] is AnyDeviceAmpOptimWrapper
    assert found['write_checkpoints_whole'] is WholeFileBackend
    assert found['load_local_checkpoints_with_clear_errors'] is load_from_local
    for function in reversed(undo):
        function()


@refuses_code
def test_trainings_are_read_where_allowed_alone(as_mmengine_is, tmp_path):
    hub = MessageHub('replacements')
    hub.update_scalar('train/loss', 1.)
    path = str(tmp_path / 'epoch_1.pth')
    save_checkpoint(dict(message_hub=hub.state_dict()), path)
    with pytest.raises(UnpicklingError, match='HistoryBuffer'):
        _load_checkpoint(path, logger='silent')
    undo = replacements.allow_training_checkpoints()
    loaded = _load_checkpoint(path, map_location='cpu', logger='silent')
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == 1
    undo()
    with pytest.raises(UnpicklingError, match='HistoryBuffer'):
        _load_checkpoint(path, logger='silent')


def test_importing_patches_calls_all():
    from mmacda import patches
    assert sorted(patches.__all__) == sorted(NAMES)
    found = in_place()
    assert found['allow_amp_on_cpus'] is AnyDeviceAmpOptimWrapper
    assert found['write_checkpoints_whole'] is WholeFileBackend
    assert found['load_local_checkpoints_with_clear_errors'] is load_from_local

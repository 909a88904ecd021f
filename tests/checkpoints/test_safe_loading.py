"""The safe loader with MMEngine's checkpoints, of numpy 1 and 2 alike."""
import io
import pickle
import threading
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.logging.history_buffer import HistoryBuffer

from mmacda.checkpoints import load_checkpoint, training_checkpoints_allowed
from mmacda.checkpoints.safe_loading import SAFE_BY_DEFAULT

from .conftest import refuses_code

safe_loader = pytest.mark.skipif(
    not SAFE_BY_DEFAULT, reason='torch.load is not safe by default')
DTYPES = ('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16',
          'uint32', 'uint64', 'float16', 'float32', 'float64', 'complex64',
          'complex128')


def write(path, content, package=None):
    """torch.save; by the numpy whose ``_core`` or ``core`` is named."""
    stream = io.BytesIO()
    torch.save(content, stream)
    with zipfile.ZipFile(stream) as source, \
            zipfile.ZipFile(path, 'w') as target:
        for name in source.namelist():
            data = source.read(name)
            if package is not None and name.endswith('data.pkl'):
                for other in ('numpy.core', 'numpy._core'):
                    data = data.replace(f'c{other}.multiarray\n'.encode(),
                                        f'c{package}.multiarray\n'.encode())
            target.writestr(name, data)


def names_in(path):
    with zipfile.ZipFile(path) as archive:
        name, = (n for n in archive.namelist() if n.endswith('data.pkl'))
        return archive.read(name)


def history():
    hub = MessageHub('safe_loading')
    for value in (3., 1., 2.):
        hub.update_scalar('train/loss', value)
        hub.update_scalar('train/time', np.float32(value))
    return hub.state_dict()


@pytest.mark.parametrize('package', ('numpy.core', 'numpy._core'))
def test_a_training_of_either_numpy_is_read(tmp_path, package):
    path = tmp_path / 'epoch_1.pth'
    sigmas = np.arange(6, dtype=np.uint8).reshape(2, 3)
    write(path, dict(
        state_dict=dict(weight=torch.ones(2)), message_hub=history(),
        meta=dict(dataset_meta=dict(sigmas=sigmas))), package)
    assert f'c{package}.multiarray\n_reconstruct'.encode() in names_in(path)
    loaded = load_checkpoint(str(path))
    assert (loaded['meta']['dataset_meta']['sigmas'] == sigmas).all()
    losses = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(losses, HistoryBuffer)
    assert losses.min() == 1 and losses.current() == 2


@pytest.mark.parametrize('package', ('numpy.core', 'numpy._core'))
@pytest.mark.parametrize('dtype', DTYPES)
def test_numbers_of_every_dtype_are_read(tmp_path, dtype, package):
    path = tmp_path / 'checkpoint.pth'
    array = np.array([[0, 1], [1, 2]]).astype(dtype)
    write(path, dict(array=array, number=array[1, 1]), package)
    content = names_in(path)
    for function in ('_reconstruct', 'scalar'):
        assert f'c{package}.multiarray\n{function}'.encode() in content
    loaded = load_checkpoint(str(path))
    assert loaded['array'].dtype == loaded['number'].dtype == array.dtype
    assert (loaded['array'] == array).all()
    assert loaded['number'] == array[1, 1]


class Code:

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@refuses_code
@pytest.mark.parametrize('call', [
    (eval, '1 + 1'),
    (getattr, HistoryBuffer, '__init__'),
    (getattr, torch.Tensor, 'mean'),
])
def test_code_in_a_checkpoint_is_still_refused(tmp_path, call):
    path = tmp_path / 'checkpoint.pth'
    torch.save(dict(state_dict=Code(*call)), path)
    with training_checkpoints_allowed():
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path)
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        load_checkpoint(str(path))


@refuses_code
def test_arrays_of_something_else_are_refused_with_advice(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(dict(state_dict={}, names=np.array(['a'])), path)
    with pytest.raises(pickle.UnpicklingError,
                       match='checkpoint.pth is refused: it holds numpy.*Str'
                       '.*published_keys.*add_safe_globals'):
        load_checkpoint(str(path))


@safe_loader
def test_names_are_allowed_in_the_block_alone(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(history(), path)
    before = torch.serialization.get_safe_globals()
    with training_checkpoints_allowed(), training_checkpoints_allowed():
        torch.load(path)
    assert set(torch.serialization.get_safe_globals()) == set(before)
    with pytest.raises(RuntimeError), training_checkpoints_allowed():
        raise RuntimeError
    load_checkpoint(str(path))
    assert set(torch.serialization.get_safe_globals()) == set(before)


@safe_loader
def test_what_users_allowed_stays_allowed():
    before = torch.serialization.get_safe_globals()
    own = [np.ndarray, (np.ndarray, 'numpy.ndarray')]
    torch.serialization.add_safe_globals(own)
    try:
        with training_checkpoints_allowed():
            pass
        assert set(own) <= set(torch.serialization.get_safe_globals())
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


@safe_loader
def test_who_loads_longer_keeps_the_names(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(history(), path)
    entered, left, loaded = threading.Event(), threading.Event(), []

    def load_slowly():
        with training_checkpoints_allowed():
            entered.set()
            assert left.wait(10)
            loaded.append(torch.load(path))

    thread = threading.Thread(target=load_slowly)
    with training_checkpoints_allowed():
        thread.start()
        assert entered.wait(10)
    left.set()
    thread.join()
    assert loaded

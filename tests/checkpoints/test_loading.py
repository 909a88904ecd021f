"""Bad checkpoints, and what is said of them."""
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from mmacda.checkpoints import is_whole, load_checkpoint, loading

from .conftest import refuses_code

SAFE_LOADER = hasattr(torch.serialization, 'add_safe_globals')


class Code:
    """What a pickle calls when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def checkpoint_bytes():
    with io.BytesIO() as stream:
        torch.save(dict(state_dict=dict(weight=torch.ones(3, 300))), stream)
        return stream.getvalue()


@pytest.fixture
def load(tmp_path):
    """Write a file and load it."""

    def write_and_load(content):
        path = tmp_path / 'checkpoint.pth'
        path.write_bytes(content)
        return load_checkpoint(str(path))

    return write_and_load


@pytest.mark.trust('faults/checkpoint')
def test_every_truncation_is_told(load, tmp_path, figure):
    content = checkpoint_bytes()
    assert load(content)['state_dict']['weight'].sum() == 900
    lengths = [0, *range(2, 64), *range(64, len(content), 97),
               len(content) - 1]
    for length in lengths:
        with pytest.raises(ValueError, match=r'\.pth is .* truncated'):
            load(content[:length])
        assert not is_whole(str(tmp_path / 'checkpoint.pth'))
    figure('truncated files refused by name', len(lengths))


def test_damage_that_stops_the_zip_reader_is_told(load, tmp_path):
    content = bytearray(checkpoint_bytes())
    locator = content.rindex(b'PK\x06\x07')
    content[locator + 16] = 2  # disks
    with pytest.raises(ValueError, match='pth is not a checkpoint'):
        load(bytes(content))
    assert not is_whole(str(tmp_path / 'checkpoint.pth'))


def make_foreign():
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    yield 'array', stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as archive:
        archive.writestr('text.txt', 'text')
    yield 'zip', stream.getvalue()
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), stream)
    yield 'torchscript', stream.getvalue()
    stream = io.BytesIO()
    torch.save([1, 2], stream)
    yield 'list', stream.getvalue()
    yield 'text', b'hello world, this is text'
    yield 'html', b'<html>404 Not Found</html>'
    yield 'pickle', pickle.dumps(dict(a=[1., 2.]))


@pytest.mark.skipif(not SAFE_LOADER, reason='torch has no safe globals')
@pytest.mark.trust('faults/checkpoint')
def test_foreign_files_are_told(load, figure):
    foreign = dict(make_foreign())
    for content in foreign.values():
        with pytest.raises(ValueError, match='pth is not a checkpoint'):
            load(content)
    figure('foreign files refused by name', ', '.join(foreign))


@refuses_code
@pytest.mark.trust('faults/malicious')
@pytest.mark.parametrize('archive', (True, False))
@pytest.mark.parametrize('function', (os.system, os.mkdir, eval, exec, open))
def test_code_is_refused_and_not_executed(load, tmp_path, function, archive,
                                          figure):
    trace = tmp_path / 'executed'
    argument = {
        os.system: f'touch {trace}',
        eval: f'open({str(trace)!r}, "w")',
        exec: f'open({str(trace)!r}, "w")',
    }.get(function, str(trace))
    extra = ('w', ) if function is open else ()
    stream = io.BytesIO()
    torch.save(
        dict(state_dict=Code(function, argument, *extra)), stream,
        _use_new_zipfile_serialization=archive)
    with pytest.raises(pickle.UnpicklingError) as caught:
        load(stream.getvalue())
    text = str(caught.value)
    assert 'checkpoint.pth is refused' in text and 'not' in text
    assert function.__name__ in text and 'weights_only' not in text
    assert not trace.exists()
    figure(f'{function.__name__}: executed', trace.exists(), False, '==')
    pickle.loads(pickle.dumps(Code(function, argument, *extra)))
    assert trace.exists()  # what it would have done


def test_missing_files_and_other_errors_stay(load, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        load_checkpoint(str(tmp_path / 'absent.pth'))

    def fail(*_, **__):
        raise RuntimeError('CUDA out of memory')

    monkeypatch.setattr(torch, 'load', fail)
    with pytest.raises(RuntimeError, match='CUDA out of memory'):
        load(checkpoint_bytes())


def test_a_second_way_of_the_framework_s_stays(load, monkeypatch):
    """As onedl-mmengine has one for what the safe loader refuses."""

    def retry(path, map_location):
        try:
            return torch.load(path, map_location, weights_only=True)
        except pickle.UnpicklingError:
            return torch.load(path, map_location, weights_only=False)

    monkeypatch.setattr(loading, 'frameworks_loader', retry)
    stream = io.BytesIO()
    torch.save(dict(state_dict={}, names=np.array(['a'])), stream)
    assert load(stream.getvalue())['names'].tolist() == ['a']

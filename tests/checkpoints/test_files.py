"""Files that are there whole or not at all."""
import errno
import os
import stat

import mmengine.fileio
import pytest

from mmacda.checkpoints import WholeFileBackend

PUT = WholeFileBackend().put


def test_has_a_name_of_its_own(tmp_path):
    path = tmp_path / 'file'
    mmengine.fileio.put(b'new', path, backend_args=dict(backend='whole'))
    backend = mmengine.fileio.get_file_backend(
        path, backend_args=dict(backend='whole'))
    assert type(backend) is WholeFileBackend and path.read_bytes() == b'new'


def test_files_are_written_and_replaced(tmp_path):
    path = tmp_path / 'new' / 'file.pth'
    for content in (b'first', b'second, longer', b''):
        PUT(content, path)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ['file.pth']


def test_a_link_keeps_pointing(tmp_path):
    target, link = tmp_path / 'target', tmp_path / 'link'
    target.write_bytes(b'old')
    link.symlink_to(target)
    PUT(b'new', link)
    assert link.is_symlink() and target.read_bytes() == b'new'


def test_devices_stay_devices():
    PUT(b'content', os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize('function', ('fsync', 'replace'))
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, function):
    path = tmp_path / 'file.pth'
    path.write_bytes(b'old')

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match='No space left .*file.pth.* not writ'):
        PUT(b'new', path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['file.pth']


def test_error_keeps_its_kind(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(OSError) as caught:
        PUT(b'new', tmp_path / 'file' / 'inside')
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)


@pytest.mark.parametrize('error', (KeyboardInterrupt, MemoryError))
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch,
                                                  error):
    path = tmp_path / 'file.pth'
    path.write_bytes(b'old')

    def interrupt(*_):
        raise error

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(error):
        PUT(b'new', path)
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['file.pth']


def test_text_is_written_whole_too(tmp_path, monkeypatch):
    path = tmp_path / 'file.txt'
    WholeFileBackend().put_text('\u03b1', path)
    assert path.read_text(encoding='utf-8') == '\u03b1'
    WholeFileBackend().put_text('\xe9', path, encoding='latin-1')
    assert path.read_bytes() == b'\xe9'

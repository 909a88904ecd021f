"""Files are there whole, or not at all; errors name the file."""
import errno
import os
import stat
import threading

import pytest

from mmacda.io import check_output, whole_file, whole_path
from mmacda.io.files import check_output_folder

AS_ROOT = hasattr(os, 'geteuid') and os.geteuid() == 0


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize('old', [None, b'old'])
@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize('by_name', [False, True])
def test_what_was_there_stays_on_every_error(tmp_path, old, error, by_name):
    path = tmp_path / 'file.txt'
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error):
        if by_name:
            with whole_path(path) as temporary:
                with open(temporary, 'wb') as file:
                    file.write(b'new')
                raise error
        with whole_file(path) as file:
            file.write(b'new')
            raise error
    assert names(tmp_path) == ([] if old is None else ['file.txt'])
    assert old is None or path.read_bytes() == old


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'file.txt'
    with whole_file(path, 'w', newline='') as file:
        file.write('ä\n')
        assert not path.exists()
    assert path.read_bytes() == 'ä\n'.encode()
    assert names(path.parent) == ['file.txt']


def test_the_temporary_name_is_hidden_and_has_the_ending(tmp_path):
    with whole_path(tmp_path / 'a.tar.png') as temporary:
        folder, name = os.path.split(temporary)
        assert folder == str(tmp_path)
        assert name.startswith('.') and name.endswith('.part.png')
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write('x')
    assert names(tmp_path) == ['a.tar.png']


@pytest.mark.skipif(os.name == 'nt', reason='permission bits of POSIX')
@pytest.mark.parametrize('umask', [0o022, 0o077])
def test_permission_bits_are_those_of_open(tmp_path, umask):
    old = os.umask(umask)
    try:
        for name in ('ours', 'existing'):
            with whole_file(tmp_path / name) as file:
                file.write(b'1')
        (tmp_path / 'existing').chmod(0o640)
        with whole_file(tmp_path / 'existing') as file:
            file.write(b'2')
        with open(tmp_path / 'theirs', 'wb'):
            pass
    finally:
        os.umask(old)
    mode = {n: stat.S_IMODE((tmp_path / n).stat().st_mode)
            for n in ('ours', 'theirs', 'existing')}
    assert mode['ours'] == mode['theirs'] and mode['existing'] == 0o640


def test_links_are_followed_and_devices_written(tmp_path):
    (tmp_path / 'target').write_text('old', encoding='utf-8')
    (tmp_path / 'link').symlink_to('target')
    with whole_file(tmp_path / 'link', 'w') as file:
        file.write('new')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'target').read_text(encoding='utf-8') == 'new'
    with whole_file('/dev/null', 'w') as file:
        file.write('gone')
    assert not os.path.isfile('/dev/null')


def test_folders_and_files_on_the_way_are_named(tmp_path):
    (tmp_path / 'file').touch()
    for path, words in ((tmp_path, 'it is a folder'),
                        (f'{tmp_path}/new/', 'it is a folder'),
                        ('', 'it is a folder'),
                        (tmp_path / 'file' / 'a', 'file is not a folder'),
                        (tmp_path / 'file/a/b', 'file is not a folder')):
        for write in (whole_file, whole_path, check_output):
            with pytest.raises(OSError) as caught:
                with write(path):
                    pass
            assert f'{path} cannot be written' in str(caught.value)
            assert words in str(caught.value)
    with pytest.raises(OSError, match='file is not a folder'):
        check_output_folder(tmp_path / 'file')
    assert names(tmp_path) == ['file']


@pytest.mark.skipif(AS_ROOT or os.name == 'nt', reason='root may write')
def test_folders_without_permission_are_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        for write in (whole_file, check_output):
            with pytest.raises(PermissionError, match='a.txt cannot be'):
                with write(tmp_path / 'a.txt'):
                    pass
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_said_with_the_name(tmp_path):
    with pytest.raises(OSError, match='big.bin cannot be written: '
                       'No space left') as caught:
        with whole_file(tmp_path / 'big.bin'):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC and not names(tmp_path)


def test_other_files_errors_stay_theirs(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent') as caught:
        with whole_file(tmp_path / 'out'):
            with open(tmp_path / 'absent', encoding='utf-8'):
                pass
    assert 'out' not in str(caught.value)
    with pytest.raises(OSError, match='out was not written'):
        with whole_path(tmp_path / 'out'):
            pass


def test_other_modes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'w' or 'wb'"):
        with whole_file(tmp_path / 'a', 'a'):
            pass


def test_threads_do_not_mix(tmp_path):
    path = tmp_path / 'file'

    def write(letter):
        for _ in range(20):
            with whole_file(path) as file:
                for _ in range(10):
                    file.write(letter * 100)

    threads = [threading.Thread(target=write, args=(x, )) for x in
               (b'a', b'b', b'c')]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b'a' * 1000, b'b' * 1000, b'c' * 1000)
    assert names(tmp_path) == ['file']


def test_inputs_are_never_outputs(tmp_path):
    path = tmp_path / 'in.png'
    path.touch()
    (tmp_path / 'link.png').symlink_to(path)
    for out in (path, tmp_path / '.' / 'in.png', tmp_path / 'link.png'):
        with pytest.raises(ValueError, match='is an input, which is never'):
            check_output(out, [tmp_path / 'other.png', str(path)])
    check_output(tmp_path / 'new' / 'out.png', [path])
    assert names(tmp_path) == ['in.png', 'link.png']

"""The compiled library: faults of compilers, of the cache and of settings."""
import io
import logging
import os
import shutil
import stat
from contextlib import redirect_stdout

import pytest

from mmacda.ops import build
from mmacda.ops.backends import choose_backend, native
from mmacda.ops.backends.native import limits
from tests.forks import run_forks

from .test_native import assert_near, exact, make_case, needs_library, run


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache folder, and no memory of an earlier build."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('CC', raising=False)
    native.shared_library._load.cache_clear()
    yield tmp_path
    native.shared_library._load.cache_clear()


def fake_compiler(folder, script):
    path = folder / 'fake-cc'
    path.write_text('#!/bin/sh\ncase "$*" in *--version*) echo fake 1;; *)\n'
                    f'{script}\nesac\n', encoding='utf-8')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize('fault', [
    'no compiler', 'missing compiler', 'failing compiler', 'broken library',
    'no library', 'no cache'
])
def test_build_faults_log_once_and_fall_back(fault, fresh, monkeypatch,
                                             caplog):
    expected = {
        'no compiler': 'no C compiler',
        'missing compiler': 'not there',
        'failing compiler': 'out of luck',
        'broken library': 'native-',
        'no library': 'wrote no library',
        'no cache': 'cannot write to the cache',
    }[fault]
    if fault == 'no compiler':
        monkeypatch.setenv('PATH', str(fresh))
    elif fault == 'missing compiler':
        monkeypatch.setenv('CC', str(fresh / 'cc-of-nobody'))
    elif fault == 'no cache':
        (fresh / 'cache').write_text('a file where the folder should be',
            encoding='utf-8')
        monkeypatch.setenv('CC', fake_compiler(fresh, 'exit 0'))
    else:
        script = {
            'failing compiler': 'printf "in a.c:\\nerror: out of luck\\n^"; '
                                'exit 1',
            'broken library': 'while [ $1 != -o ]; do shift; done; '
                              'echo no library >$2',
            'no library': 'exit 0'
        }[fault]
        monkeypatch.setenv('CC', fake_compiler(fresh, script))
    tensors, bases, geometry = make_case(size=(5, 6))
    with caplog.at_level(logging.WARNING, 'mmacda'):
        results = [run(tensors, bases, geometry, None) for _ in range(3)]
    faults = [t for t in caplog.messages if 'not available' in t]
    assert len(faults) == 1
    assert expected in faults[0] and '\n' not in faults[0]
    assert_near(results[-1], exact(tensors, bases, geometry))
    with pytest.raises(ValueError, match='not available'):
        run(tensors, bases, geometry, 'native')


@needs_library
def test_a_compiler_that_refuses_cpu_flags(fresh, monkeypatch):
    real = ' '.join(build.find_compiler())
    script = ('case "$*" in *=native*) echo unknown flag >&2; exit 1;; '
              f'*) exec {real} "$@";; esac')
    monkeypatch.setenv('CC', fake_compiler(fresh, script))
    tensors, bases, geometry = make_case(size=(9, 20))
    assert_near(
        run(tensors, bases, geometry), exact(tensors, bases, geometry))


@needs_library
def test_many_processes_build_at_once(fresh):
    names = run_forks(lambda: print(build.build()[0].name), fresh, 4 * [{}])
    assert os.listdir(fresh / 'cache' / 'mmacda') == list(set(names.split()))


@needs_library
def test_build_command(fresh):
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert build.main() == 0
    path, command = build.build()
    assert command == []
    text = printed.getvalue()
    assert str(path) in text and 'self test: passed' in text
    assert '-O3' in text


def test_build_command_without_compiler(fresh, monkeypatch, capsys):
    monkeypatch.setenv('PATH', str(fresh))
    assert build.main() == 1
    assert 'no C compiler' in capsys.readouterr().out


@pytest.fixture(scope='session')
def library():
    """The compiled library of the user's cache."""
    return build.build()[0]


@pytest.fixture
def copies(library, fresh, monkeypatch):
    """A quick compiler: it copies what a real one made."""
    script = ('while [ $1 != -o ]; do shift; done; '
              f'cat "{library}" >$2')
    monkeypatch.setenv('CC', fake_compiler(fresh, script))
    return fresh


@needs_library
def test_compiling_is_told_once(copies, caplog):
    fresh = copies
    for _ in range(2):
        build.build()
    told = [t for t in caplog.messages if t.startswith('compiling')]
    assert len(told) == 1 and str(fresh / 'cache' / 'mmacda') in told[0]


@needs_library
@pytest.mark.parametrize('mask', [0o077, 0o022, 0o000], ids=oct)
def test_others_may_load_it(mask, copies):
    before = os.umask(mask)
    try:
        path, _ = build.build()
    finally:
        os.umask(before)
    for item in (path, path.parent):
        assert stat.S_IMODE(item.stat().st_mode) == 0o755


@needs_library
@pytest.mark.parametrize('damage', [
    lambda content: b'',
    lambda content: content[:len(content) // 2],
    lambda content: content[:5000] + b'?' + content[5001:],
    lambda content: content + b'?'
], ids=['empty', 'cut', 'changed', 'longer'])
def test_a_damaged_library_is_compiled_again(damage, copies, caplog):
    path, _ = build.build()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    again, command = build.build()
    assert command and again.read_bytes() == content
    assert 'is damaged' in caplog.text
    assert build.build() == (again, [])


@pytest.mark.parametrize('value, expected', [
    ('gcc "-O2', 'no closing quotation'),
    ("cc '", 'no closing quotation'),
    ('/', 'is a folder'),
    ('cc-of-nobody -O3', 'is not there'),
    ('false', 'failed with status 1'),
    ('true', 'wrote no library'),
    ('echo', 'wrote no library'),
    ('cc --no-such-flag', 'no-such-flag'),
])
def test_odd_compilers_end_in_one_sentence(value, expected, fresh,
                                           monkeypatch, capsys):
    monkeypatch.setenv('CC', value)
    assert build.main() == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith('not built:') and expected in last
    assert len(last) < 300


@needs_library
@pytest.mark.parametrize('value', ['', '  ', 'g++', 'cc -O1 -DX="a b"'])
def test_compilers_that_serve(value, fresh, monkeypatch):
    if value == 'g++' and not shutil.which(value):
        pytest.skip('needs g++')
    monkeypatch.setenv('CC', value)
    tensors, bases, geometry = make_case(size=(5, 6))
    assert_near(
        run(tensors, bases, geometry), exact(tensors, bases, geometry))


def test_build_command_where_it_is_switched_off(monkeypatch, capsys):
    monkeypatch.setenv('MMACDA_NATIVE', '0')
    assert build.main() == 1
    assert 'MMACDA_NATIVE=0' in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize('value', ['', ' ', '1', 'yes', 'ON', 'True', '0',
                                   ' 0', 'no', 'OFF', 'false'])
def test_words_that_switch(value, monkeypatch, caplog):
    monkeypatch.setenv('MMACDA_NATIVE', value)
    off = value.strip().lower() in limits.OFF
    assert bool(limits.is_switched_off()) == off
    assert not caplog.messages


def test_an_unknown_switch_is_told_once(monkeypatch, caplog):
    monkeypatch.setenv('MMACDA_NATIVE', '2')
    limits._read.cache_clear()
    for _ in range(3):
        assert not limits.is_switched_off()
    assert len(caplog.messages) == 1
    assert "MMACDA_NATIVE='2'" in caplog.text


@pytest.mark.parametrize('value', ['', ' ', ' stock ', 'nativ'])
def test_odd_names_of_backends(value, monkeypatch):
    monkeypatch.setenv('MMACDA_BACKEND', value)
    tensors, bases, geometry = make_case(size=(5, 6))
    arguments = tensors[0], tensors[1], bases, tensors[2], geometry
    if value == 'nativ':
        with pytest.raises(ValueError, match="MMACDA_BACKEND='nativ' is unk"):
            choose_backend(None, *arguments)
    elif value == ' stock ':
        assert choose_backend(None, *arguments)[0] == 'stock'
    else:
        assert choose_backend(None, *arguments)[0] in ('native', 'reference',
                                                       'stock')

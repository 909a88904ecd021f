"""Libraries that a wheel brings: which one serves, and when none does."""
import pytest

from mmacda.ops import build, prebuilt
from mmacda.ops.prebuilt import LEVELS, find_prebuilt, fitting_levels

from .test_native import needs_library

ALL_FLAGS = frozenset(' '.join(LEVELS.values()).split())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Libraries for all levels: what the CPU's own compiler made."""
    if not prebuilt.is_supported():
        pytest.skip('for Linux on x86-64')
    content = build.build()[0].read_bytes()
    for level in LEVELS:
        (tmp_path / prebuilt.name_library(level, content)).write_bytes(content)
    monkeypatch.setattr(prebuilt, 'FOLDER', tmp_path)
    monkeypatch.setattr(prebuilt, 'read_cpu_flags', lambda: ALL_FLAGS)
    return tmp_path


def test_levels_contain_one_another():
    assert fitting_levels(ALL_FLAGS) == list(LEVELS)
    assert fitting_levels(frozenset()) == []
    for flag in ALL_FLAGS:
        level = next(k for k, v in LEVELS.items() if flag in v.split())
        below = list(LEVELS)[list(LEVELS).index(level) + 1:]
        assert fitting_levels(ALL_FLAGS - {flag}) == below, flag


def test_a_checkout_brings_none():
    found = find_prebuilt()
    assert found.path is None and 'brings none' in found.why


@needs_library
@pytest.mark.parametrize('level', LEVELS)
def test_the_best_that_fits_serves(level, folder, monkeypatch):
    lower = list(LEVELS)[list(LEVELS).index(level):]
    flags = frozenset(' '.join(LEVELS[k] for k in lower).split())
    monkeypatch.setattr(prebuilt, 'read_cpu_flags', lambda: flags)
    found = find_prebuilt()
    assert level in found.path.name and level in found.why
    assert build.build() == (found.path, [])


@needs_library
def test_an_old_cpu_compiles(folder, monkeypatch):
    monkeypatch.setattr(prebuilt, 'read_cpu_flags', frozenset)
    found = find_prebuilt()
    assert found.path is None and 'this CPU' in found.why
    assert build.build()[0].parent == build.cache_folder()


@needs_library
@pytest.mark.parametrize('damage, words', [
    (lambda path: path.write_bytes(path.read_bytes()[:5000]), 'is damaged'),
    (lambda path: path.rename(path.with_name(
        path.name.replace(prebuilt.digest_sources(), '0' * 24))),
     'of other sources'),
    (lambda path: path.rename(path.with_name(prebuilt.name_library(
        'x86-64-v4', b'no library'))) .write_bytes(b'no library'),
     'cannot be loaded'),
], ids=['cut', 'other sources', 'no library'])
def test_one_that_is_not_whole_is_passed_by(damage, words, folder, caplog):
    damage(next(folder.glob('*v4*')))
    found = find_prebuilt()
    assert 'x86-64-v3' in found.path.name
    assert words in caplog.text


@needs_library
def test_a_word_passes_it_by(folder, monkeypatch, capsys):
    assert build.main() == 0
    printed = capsys.readouterr().out
    assert 'serves: it is for x86-64-v4' in printed and 'passed' in printed
    monkeypatch.setenv('MMACDA_NATIVE', 'compile')
    assert build.build()[0].parent == build.cache_folder()
    assert build.main() == 0
    assert 'passes it by' in capsys.readouterr().out

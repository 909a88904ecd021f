"""Libraries that a wheel brings: which one serves, and when none does."""
import sysconfig
from types import SimpleNamespace

import pytest

from mmacda.ops import build, prebuilt
from mmacda.ops.prebuilt import find_prebuilt, fitting_levels

from .test_native import needs_library

X86, ARM = 'linux-x86_64', 'linux-aarch64'
LEVELS = prebuilt.LEVELS[X86]
ALL_FLAGS = frozenset(' '.join(LEVELS.values()).split())
# The line of /proc/cpuinfo.
ARM_CPUS = {
    'Raspberry Pi 4': 'fp asimd evtstrm crc32 cpuid',
    'Graviton2': 'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp '
    'asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs',
    'Graviton3': 'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp '
    'asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp '
    'sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs paca pacg dcpodp svei8mm '
    'svebf16 i8mm bf16 dgh rng',
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Libraries for all levels: what the CPU's own compiler made."""
    if sysconfig.get_platform() != X86:
        pytest.skip(f'for {X86}')
    content = build.build()[0].read_bytes()
    for level in LEVELS:
        (tmp_path / prebuilt.name_library(level, content)).write_bytes(content)
    monkeypatch.setattr(prebuilt, 'FOLDER', tmp_path)
    monkeypatch.setattr(prebuilt, 'read_cpu_flags', lambda: ALL_FLAGS)
    return tmp_path


def is_for(platform, monkeypatch):
    monkeypatch.setenv('_PYTHON_HOST_PLATFORM', platform)


def test_levels_contain_one_another(monkeypatch):
    is_for(X86, monkeypatch)
    assert fitting_levels(ALL_FLAGS) == list(LEVELS)
    assert fitting_levels(frozenset()) == []
    for flag in ALL_FLAGS:
        level = next(k for k, v in LEVELS.items() if flag in v.split())
        below = list(LEVELS)[list(LEVELS).index(level) + 1:]
        assert fitting_levels(ALL_FLAGS - {flag}) == below, flag


@pytest.mark.parametrize('cpu', ARM_CPUS)
def test_every_arm_cpu_of_64_bits_runs_the_one_level(cpu, monkeypatch):
    is_for(ARM, monkeypatch)
    flags = prebuilt.parse_cpu_flags(
        'processor\t: 0\nBogoMIPS\t: 108.00\n'
        f'Features\t: {ARM_CPUS[cpu]}\nCPU implementer\t: 0x41\n')
    assert flags == set(ARM_CPUS[cpu].split())
    assert fitting_levels(flags) == ['armv8-a']
    is_for(X86, monkeypatch)
    assert fitting_levels(flags) == []


def test_an_x86_cpu_is_read_too(monkeypatch):
    is_for(X86, monkeypatch)
    flags = prebuilt.parse_cpu_flags(
        'processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu vme '
        f'{LEVELS["x86-64-v2"]} {LEVELS["x86-64-v3"]} svm\nbugs\t\t: none\n')
    assert fitting_levels(flags) == ['x86-64-v3', 'x86-64-v2']
    assert prebuilt.parse_cpu_flags('processor\t: 0\n') == set()


@pytest.mark.parametrize('platform', ['macosx-14.0-arm64', 'linux-riscv64'])
def test_other_platforms_have_no_levels(platform, monkeypatch):
    is_for(platform, monkeypatch)
    assert fitting_levels(ALL_FLAGS) == []


def test_a_32_bit_python_has_no_levels(monkeypatch):
    is_for(ARM, monkeypatch)
    monkeypatch.setattr(prebuilt, 'sys', SimpleNamespace(maxsize=2**31 - 1))
    assert fitting_levels(ALL_FLAGS) == []


@needs_library
def test_on_arm_its_own_library_serves(folder, monkeypatch, capsys):
    is_for(ARM, monkeypatch)
    found = find_prebuilt()
    assert found.path is None and 'this CPU' in found.why
    content = next(folder.iterdir()).read_bytes()
    (folder / prebuilt.name_library('armv8-a', content)).write_bytes(content)
    assert 'armv8-a' in find_prebuilt().path.name
    assert build.main() == 0
    assert 'serves: it is for armv8-a' in capsys.readouterr().out


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

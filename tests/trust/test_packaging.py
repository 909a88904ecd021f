"""Wheel and sdist, and what they do in an environment of their own."""
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / 'requirements'
INSIDE = 'mmacda/.mim/'


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd,
        env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def build(kind, source, folder):
    """Build with setuptools as pip does, from a folder without its past."""
    run(sys.executable, '-c', 'from setuptools import build_meta as b;'
        f'b.build_{kind}({str(folder)!r})', cwd=source)
    built, = folder.glob('*')
    return built


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """What git tracks: the working tree may hold more."""
    folder = tmp_path_factory.mktemp('source')
    names = run('git', 'ls-files', '-z', cwd=ROOT).split('\0')
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope='module')
def sdist(source, tmp_path_factory):
    return build('sdist', source, tmp_path_factory.mktemp('sdist'))


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory):
    """Built from the sdist, which proves both."""
    folder = tmp_path_factory.mktemp('unpacked')
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    unpacked, = folder.iterdir()
    return build('wheel', unpacked, tmp_path_factory.mktemp('wheel'))


@pytest.mark.trust('packaging/install')
def test_wheel_of_the_sdist_holds_all_that_is_used(wheel, figure):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in sorted((ROOT / 'mmacda').rglob('*')):
        if path.suffix in ('.py', '.c', '.h') and '.mim' not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    configs = [p for p in (ROOT / 'configs').rglob('*') if p.is_file()
               and p.suffix in ('.py', '.yml', '.md')]
    for path in [*configs, ROOT / 'tools/train.py', ROOT / 'tools/test.py',
                 ROOT / 'tools/experiments/demo.py', ROOT / 'model-index.yml']:
        assert f'{INSIDE}{path.relative_to(ROOT)}' in names, path
    assert not [name for name in names
                if name.startswith(('tests/', 'configs/', 'tools/'))]
    figure('files in the wheel', len(names))
    figure('its size in MB', round(wheel.stat().st_size / 2**20, 2), 5.)


@pytest.mark.trust('packaging/install')
@pytest.mark.parametrize('extra', ['mmpretrain', 'mmagic', 'all'])
def test_extras_hold_what_mmengine_and_our_configs_need(wheel, extra):
    archive = zipfile.ZipFile(wheel)
    metadata, = [n for n in archive.namelist() if n.endswith('/METADATA')]
    needed = [
        line.partition(': ')[2].partition(';')[0].strip()
        for line in archive.read(metadata).decode().splitlines()
        if line.startswith('Requires-Dist') and f'extra == "{extra}"' in
        line.replace("'", '"')
    ]
    assert 'setuptools<81' in needed  # mmengine 0.10: pkg_resources
    assert ('scikit-learn' in needed) == (extra != 'mmagic')  # the digits


@pytest.fixture(scope='module')
def environment(wheel, tmp_path_factory):
    """An empty environment with the wheel and the demo's pinned packages."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder, with_pip=True)
    python = folder / 'bin' / 'python'
    run(python, '-m', 'pip', 'install', '-q', 'uv==0.13.*')
    sys.path.insert(0, str(ROOT / 'tools' / 'dev'))
    try:
        from environment import uv_index_settings
    finally:
        sys.path.pop(0)
    install = [python, '-m', 'uv', 'pip', 'install', '-q', '--python', python]
    run(*install, '-c', REQUIREMENTS / 'pins.txt', '--override',
        REQUIREMENTS / 'overrides.txt', '-r', REQUIREMENTS / 'demo.txt',
        **uv_index_settings())
    run(*install, '--no-deps', wheel, **uv_index_settings())
    # openmim's own requirements name packages that mim train does not use.
    run(*install, '--no-deps', '-c', REQUIREMENTS / 'pins.txt', 'openmim',
        'colorama', 'tabulate', 'opendatalab', 'model-index', 'requests',
        'pandas', 'pip', 'pytz', 'urllib3', 'charset-normalizer', 'idna',
        'certifi', **uv_index_settings())
    return python


@pytest.mark.long
@pytest.mark.trust('packaging/install')
def test_demo_runs_from_an_installed_wheel(environment, tmp_path, figure):
    where = run(environment, '-c',
                'import mmacda; print(mmacda.__path__[0])', cwd=tmp_path,
                PYTHONPATH='').strip()
    assert where.startswith(str(environment.parents[1]))
    printed = run(environment, '-W', 'ignore',
                  Path(where) / '.mim/tools/experiments/demo.py', '--out',
                  tmp_path / 'out', '--seeds', '1', cwd=tmp_path,
                  PYTHONPATH='')
    assert 'LeNet + ACDA' in printed
    for name in ('patterns.png', 'digits.png'):
        assert (tmp_path / 'out' / name).stat().st_size > 1000
    figure('demo from an installed wheel', printed.strip().splitlines()[-1])


@pytest.mark.long
@pytest.mark.trust('packaging/install')
def test_mim_finds_configs_and_tools(environment, tmp_path, figure):
    printed = run(environment, '-W', 'ignore', '-m', 'mim', 'train', 'mmacda',
                  'lenet/lenet-acda_digits.py', '--work-dir',
                  tmp_path / 'work', '--cfg-options',
                  'train_cfg.max_epochs=1', 'train_dataloader.dataset.'
                  'indices=64', cwd=tmp_path, PYTHONPATH='')
    assert 'accuracy/top1' in printed + ''.join(
        path.read_text(encoding='utf-8') for path in tmp_path.rglob('*.log'))
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()
    figure('mim train mmacda lenet/lenet-acda_digits.py',
           'trains, one epoch')


@pytest.mark.trust('packaging/install')
def test_changelog_tells_of_this_version():
    from mmacda import __version__
    changelog = (ROOT / 'docs/changelog.md').read_text(encoding='utf-8')
    assert f'\n## {__version__}\n' in changelog

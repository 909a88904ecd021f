"""A wheel serves C speed where there is no compiler."""
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from mmacda.apis import list_models
from mmacda.ops import prebuilt
from mmacda.ops.compiler import BuildError, find_compiler

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]
ARM_COMPILER = 'aarch64-linux-gnu-gcc'
USE = """
import torch, mmacda
from mmacda.layers import ACDAConv
from mmacda.ops import build
torch.manual_seed(0)
layer = ACDAConv(8, 6, 3, padding=1, atom_generator='light').eval()
x = torch.rand(2, 8, 9, 11)
layer.backend = 'reference'
expected = layer(x)
layer.backend = 'native'
torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
print(mmacda.__file__)
print(build.build()[0])
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command],
                          capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def build_wheel(folder, **environment):
    """Of a copy, which has no build of an earlier time."""
    source = folder / 'source'
    if not source.exists():
        shutil.copytree(ROOT / 'mmacda', source / 'mmacda',
                        ignore=shutil.ignore_patterns('__pycache__', '.mim'))
        for name in ('configs', 'tools'):
            shutil.copytree(ROOT / name, source / name)
        for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE',
                     'model-index.yml', 'MANIFEST.in'):
            shutil.copy(ROOT / name, source)
    target = folder / 'wheels'
    shutil.rmtree(target, ignore_errors=True)
    run(sys.executable, '-c', 'from setuptools import build_meta as b;'
        f'b.build_wheel({str(target)!r})', cwd=source,
        env={**os.environ, **environment})
    return next(target.iterdir())


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    try:
        find_compiler()
    except BuildError as error:
        pytest.skip(str(error))
    if sysconfig.get_platform() not in prebuilt.LEVELS:
        pytest.skip('for ' + ' and '.join(prebuilt.LEVELS))
    return tmp_path_factory.mktemp('wheel')


def test_it_runs_without_a_compiler(folder):
    wheel = build_wheel(folder)
    platform = sysconfig.get_platform().replace('-', '_').replace('.', '_')
    assert wheel.name.endswith(f'-py3-none-{platform}.whl')
    assert wheel.stat().st_size < 3 * 2**20
    names = zipfile.ZipFile(wheel).namelist()
    for model in list_models():
        assert {f'mmacda/packaged/{model}.pth', f'mmacda/packaged/{model}.md',
                f'mmacda/.mim/configs/packaged/{model}.py'} <= set(names)
    libraries = [name for name in names if name.endswith('.so')]
    assert len(libraries) == len(prebuilt.all_levels())
    installed, nothing = folder / 'installed', folder / 'nothing'
    run(sys.executable, '-m', 'pip', 'install', '--no-deps', '--no-index',
        '--target', installed, wheel)
    nothing.mkdir()
    environment = {**os.environ, 'PATH': str(nothing), 'CC': '',
                   'PYTHONPATH': str(installed),
                   'XDG_CACHE_HOME': str(folder / 'cache')}
    environment.pop('MMACDA_NATIVE', None)
    options = dict(cwd=nothing, env=environment)
    package, library = run(sys.executable, '-c', USE,
                           **options).split()[-2:]
    assert Path(package).is_relative_to(installed)
    assert Path(library).is_relative_to(installed)
    assert not (folder / 'cache' / 'mmacda').exists()
    told = run(sys.executable, '-m', 'mmacda.ops.build', **options)
    serves = '|'.join(prebuilt.all_levels())
    assert re.search(f'serves: it is for ({serves});', told)
    assert 'passed' in told


@pytest.mark.skipif(shutil.which(ARM_COMPILER) is None,
                    reason=f'needs {ARM_COMPILER}')
def test_a_cross_compiler_makes_one_for_arm(folder):
    wheel = build_wheel(folder, CC=ARM_COMPILER,
                        _PYTHON_HOST_PLATFORM='linux-aarch64')
    assert wheel.name.endswith('-py3-none-linux_aarch64.whl')
    assert wheel.stat().st_size < 3 * 2**20
    with zipfile.ZipFile(wheel) as file:
        name, = [name for name in file.namelist() if name.endswith('.so')]
        content = file.read(name)
    assert Path(name).name == prebuilt.name_library('armv8-a', content)
    assert content[:4] == b'\x7fELF' and content[4] == 2  # 64 bits
    assert int.from_bytes(content[18:20], 'little') == 183  # EM_AARCH64


def test_without_a_compiler_it_is_for_any_machine(folder):
    wheel = build_wheel(folder, CC='/nowhere/cc')
    assert wheel.name.endswith('-py3-none-any.whl')
    assert not [name for name in zipfile.ZipFile(wheel).namelist()
                if name.endswith('.so')]

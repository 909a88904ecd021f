"""Packaging: configs, tools and the model index travel inside the wheel."""
import importlib
import os
import re
import shutil
import sys
import sysconfig
import types
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools < 70.1
    from wheel.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parent
OFF = ('0', 'no', 'off', 'false')
VERSION = re.search(r"'(.+)'", (ROOT / 'mmacda/version.py').read_text(
    encoding='utf-8'))[1]

# None of OpenMMLab's packages names PyTorch, all of them import it.
TORCH = ['torch>=2.1', 'torchvision']
# mmengine 0.10 imports pkg_resources, which setuptools 81 lacks.
MMENGINE = TORCH + ['mmengine>=0.10.3', 'setuptools<81']
# scikit-learn holds the digits of several configs.
MMPRETRAIN = MMENGINE + ['mmpretrain>=1.2.0', 'scikit-learn']
MMAGIC = MMENGINE + [
    'mmcv>=2.0.0,<2.2.0', 'mmagic>=1.2.0',
    'albumentations<1.4', 'diffusers==0.24.0', 'transformers==4.36.2',
    # Later ones lack `mediapipe.solutions`, which mmagic.apis imports.
    'mediapipe<=0.10.21', 'huggingface_hub<0.26', 'numpy<2'
]
# OpenMMLab's maintained continuation: the same import names, so that an
# environment has these or the ones above.
ONEDL = TORCH + [
    'onedl-mmengine>=0.10.12', 'onedl-mmcv>=2.3.6', 'onedl-mmpretrain>=1.3.6',
    'scikit-learn'
]
DEV = [
    'pytest', 'pytest-xdist', 'hypothesis', 'coverage', 'scikit-learn',
    'scikit-image', 'tensorboard', 'onnx', 'onnxruntime', 'onnxscript',
    'plotly', 'playwright', 'mypy', 'pre-commit', 'ruff'
]


class BuildWithMim(build_py):
    """Puts what `mim` looks for into mmacda/.mim of the build."""

    def run(self):
        super().run()
        self.put_configs()
        self.prebuilt = []
        if not getattr(self, 'editable_mode', False):
            self.prebuilt = compile_kernels(Path(self.build_lib))

    def put_configs(self):
        target = Path(self.build_lib) / 'mmacda' / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in ('configs', 'tools'):
            shutil.copytree(
                ROOT / name,
                target / name,
                # These need a checkout.
                ignore=shutil.ignore_patterns('__pycache__', 'dev',
                                              'benchmarks', 'trust.py'))
        for name in ('model-index.yml', ):
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, target)


def compile_kernels(build_lib):
    """The C kernels for several CPUs, where a compiler is at hand.

    ``MMACDA_NATIVE=0`` leaves them out: the wheel is then for any machine.
    ``CC`` and ``_PYTHON_HOST_PLATFORM`` make those of another platform.
    """
    # The package itself would import PyTorch.
    package = types.ModuleType('_mmacda_ops')
    package.__path__ = [str(ROOT / 'mmacda' / 'ops')]
    sys.modules[package.__name__] = package
    prebuilt = importlib.import_module('_mmacda_ops.prebuilt')
    compiler = importlib.import_module('_mmacda_ops.compiler')
    folder = build_lib / prebuilt.FOLDER.relative_to(ROOT)
    shutil.rmtree(folder, ignore_errors=True)
    if os.environ.get('MMACDA_NATIVE', '').strip().lower() in OFF:
        reason = 'MMACDA_NATIVE says so'
    elif not prebuilt.all_levels():
        reason = 'they are for ' + ' and '.join(prebuilt.LEVELS)
    else:
        try:
            return prebuilt.compile_prebuilt(compiler.find_compiler(), folder)
        except compiler.BuildError as error:
            reason = error
    print(f'no compiled kernels in this package: {reason}', file=sys.stderr)
    return []


class WheelOfAPlatform(bdist_wheel):
    """A wheel that holds compiled kernels names its platform."""

    def get_tag(self):
        tag = super().get_tag()
        if getattr(self.get_finalized_command('build_py'), 'prebuilt', ()) \
                and not self.plat_name_supplied:
            platform = sysconfig.get_platform()
            return (*tag[:2], re.sub(r'[-.]', '_', platform))
        return tag


setup(
    name='mmacda',
    version=VERSION,
    description='Adaptive convolutions with per-pixel dynamic filter atoms '
    'for OpenMMLab',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=('mmacda', 'mmacda.*')),
    package_data={
        'mmacda': [
            'py.typed', 'ops/backends/native/csrc/*',
            'visualization/explorer/*.*', 'packaged/*'
        ]
    },
    python_requires='>=3.8',
    # PyTorch, MMEngine and MMCV are the user's own, or come by the extras.
    install_requires=['numpy', 'scipy'],
    extras_require=dict(
        mmpretrain=MMPRETRAIN + ['mmcv-lite>=2.0.0,<2.4.0'],
        mmagic=MMAGIC,
        onedl=ONEDL,
        all=MMPRETRAIN + MMAGIC,
        dev=DEV),
    cmdclass=dict(build_py=BuildWithMim, bdist_wheel=WheelOfAPlatform))

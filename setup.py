"""Packaging: configs, tools and the model index travel inside the wheel."""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r"'(.+)'", (ROOT / 'mmacda/version.py').read_text(
    encoding='utf-8'))[1]

# mmengine 0.10 imports pkg_resources, which setuptools 81 lacks.
MMENGINE = ['mmengine>=0.10.3', 'setuptools<81']
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
ONEDL = [
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
        'mmacda': ['ops/backends/native/csrc/*', 'visualization/explorer/*.*']
    },
    python_requires='>=3.8',
    # PyTorch, MMEngine and MMCV are the user's own: see the extras.
    install_requires=['numpy', 'scipy'],
    extras_require=dict(
        mmpretrain=MMPRETRAIN + ['mmcv-lite>=2.0.0,<2.4.0'],
        mmagic=MMAGIC,
        onedl=ONEDL,
        all=MMPRETRAIN + MMAGIC,
        dev=DEV),
    cmdclass=dict(build_py=BuildWithMim))

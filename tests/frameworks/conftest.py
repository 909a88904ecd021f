"""Trainings of one framework, shared by its tries."""
import platform
from importlib.metadata import PackageNotFoundError, version

import pytest

from tests.frameworks.frameworks import FRAMEWORKS
from tests.frameworks.harness import Runs


PACKAGES = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmpretrain', 'mmdet',
            'mmsegmentation', 'mmpose', 'mmagic')


@pytest.fixture(scope='session', autouse=True)
def versions(record_testsuite_property):
    """What a report says that its tests were run with."""
    record_testsuite_property('Python', platform.python_version())
    for package in PACKAGES:
        try:
            record_testsuite_property(package, version(package))
        except PackageNotFoundError:
            pass


def pytest_generate_tests(metafunc):
    if 'runs' in metafunc.fixturenames:
        metafunc.parametrize('config', FRAMEWORKS[metafunc.cls.name].configs)


@pytest.fixture(scope='class')
def runs(request, tmp_path_factory):
    name = request.cls.name
    pytest.importorskip(name)
    return Runs(name, tmp_path_factory.mktemp(name))

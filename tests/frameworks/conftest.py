"""Trainings of one framework, shared by its tries."""
import pytest

from tests.frameworks.frameworks import FRAMEWORKS
from tests.frameworks.harness import Runs


def pytest_generate_tests(metafunc):
    if 'runs' in metafunc.fixturenames:
        metafunc.parametrize('config', FRAMEWORKS[metafunc.cls.name].configs)


@pytest.fixture(scope='class')
def runs(request, tmp_path_factory):
    name = request.cls.name
    pytest.importorskip(name)
    return Runs(name, tmp_path_factory.mktemp(name))

"""What all tests share."""
from collections import OrderedDict

import pytest
from mmengine.registry import DefaultScope

from .trust.figures import (figure,  # noqa: F401
                            pytest_collection_modifyitems,
                            pytest_runtest_makereport)


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch):
    """Start as a new process does: a Runner leaves a default scope behind."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())

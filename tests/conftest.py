"""What all tests share."""
from collections import OrderedDict

import pytest
from mmengine.registry import DefaultScope


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch):
    """Start as a new process does: a Runner leaves a default scope behind."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())

"""What all tests share."""
from collections import OrderedDict

import pytest
import torch
from mmengine.registry import DefaultScope

from .trust.figures import (figure,  # noqa: F401
                            pytest_collection_modifyitems,
                            pytest_runtest_makereport)


@pytest.fixture
def exact_products():
    """No TensorFloat-32 on a GPU."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch):
    """Start as a new process does: a Runner leaves a default scope behind."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())

"""Tests of this folder are skipped where PyTorch finds no CUDA device."""
import pytest
import torch


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available() and torch.version.hip is None:
        return
    for item in items:
        if 'tests/gpu' in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason='needs a CUDA device'))


@pytest.fixture(autouse=True)
def no_memory_is_left(exact_products):
    """Products are exact, and other tests' memory is free."""
    yield
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

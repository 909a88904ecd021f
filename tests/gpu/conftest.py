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
def exact_products():
    """No TensorFloat-32, and nothing left of another test's memory."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

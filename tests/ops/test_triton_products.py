"""The coefficient products: right, and in the precision of convolutions."""
import pytest
import torch

from mmacda.ops.backends.triton import products
from mmacda.ops.backends.triton.products import (
    ConvolvedProducts,
    Products,
    choose_products,
)

CUDA, SIZE = torch.device('cuda', 0), (2, 3, 4)
kinds = pytest.mark.parametrize('kind', [Products, ConvolvedProducts])


def draw(*shape):
    return torch.rand(shape, dtype=torch.float64) - 0.5


@kinds
@pytest.mark.parametrize('groups', [1, 3])
@pytest.mark.parametrize('has_bias', [False, True])
@pytest.mark.parametrize('target', [None, 'dense', 'strided'])
def test_products_are_those_of_einsum(kind, groups, has_bias, target):
    features = draw(24, groups * 5)
    matrix = draw(groups, 2, 5).transpose(1, 2)
    bias = draw(groups * 2) if has_bias else None
    where = None
    if target:
        step = 2 if target == 'strided' else 1
        where = draw(2, 3, 4 * step, groups * 2)[:, :, ::step]
    maps = kind(groups).multiply(features, matrix, bias, SIZE, where)
    expected = torch.einsum('pgk,gkn->pgn', features.view(24, groups, 5),
                            matrix).reshape(2, 3, 4, groups * 2)
    if has_bias:
        expected += bias
    torch.testing.assert_close(maps.permute(0, 2, 3, 1), expected)
    if target:
        torch.testing.assert_close(where, expected)
    else:
        assert maps.is_contiguous(memory_format=torch.channels_last)
        assert maps._base is None  # activations may follow in place


@kinds
@pytest.mark.parametrize('groups', [1, 3])
def test_correlations_are_those_of_einsum(kind, groups):
    grad, features = draw(24, groups * 2), draw(24, groups * 5)
    expected = torch.einsum('pgn,pgk->gnk', grad.view(24, groups, 2),
                            features.view(24, groups, 5)).flatten(0, 1)
    torch.testing.assert_close(kind(groups).correlate(grad, features),
                               expected)


@pytest.fixture
def tf32():
    """Sets what convolutions and matrix products may do."""

    def allow(convolutions, matrices):
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.backends.cuda.matmul.allow_tf32 = matrices

    yield allow
    allow(True, False)  # PyTorch's own


@pytest.mark.parametrize('convolutions', [False, True])
@pytest.mark.parametrize('matrices', [False, True])
def test_tf32_is_that_of_convolutions(convolutions, matrices, tf32):
    """Nothing but PyTorch's own convolutions obeys both kinds of names."""
    tf32(convolutions, matrices)
    before = products._take_tf32()
    assert before == (convolutions, matrices)
    chosen = choose_products(1, torch.float32, CUDA)
    expected = Products if convolutions == matrices else ConvolvedProducts
    if torch.version.hip is None:
        assert type(chosen) is expected
    chosen.multiply(torch.rand(4, 2), torch.rand(1, 2, 2), None, (1, 2, 2))
    assert products._take_tf32() == before


@pytest.mark.parametrize('dtype, device', [
    (torch.half, CUDA), (torch.bfloat16, CUDA),
    (torch.float32, torch.device('cpu'))], ids=str)
def test_others_are_plain_products(dtype, device, tf32):
    tf32(True, False)
    assert type(choose_products(1, dtype, device)) is Products


@pytest.mark.skipif(not products.HAS_NAMES, reason='needs torch 2.9')
def test_precisions_by_their_newer_names():
    before = torch.backends.fp32_precision
    try:
        torch.backends.fp32_precision = 'tf32'
        torch.backends.cudnn.conv.fp32_precision = 'ieee'
        torch.backends.cuda.matmul.fp32_precision = 'tf32'
        assert products._take_tf32() == (False, True)
    finally:
        torch.backends.fp32_precision = before
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = False

"""The C library of a wheel for ARM equals the definition, on an emulator."""
import pytest
import torch

from mmacda.layers import ACDAConv
from mmacda.ops.backends import native

from . import test_batch_generated, test_half, test_native
from .emulated import arm_command, arm_library  # noqa: F401

SHAPES = pytest.mark.parametrize('options', [
    dict(size=(9, 11), groups=17, out_channels=34, stride=(1, 2)),
    dict(kernel=5, padding=5, dilation=2, atoms=1, size=(7, 35)),
], ids=str)


def called():
    return set(native.library()[0].calls)


@SHAPES
def test_float32(options):
    tensors, bases, geometry = test_native.make_case(**options)
    test_native.assert_near(
        test_native.run(tensors, bases, geometry),
        test_native.exact(tensors, bases, geometry))
    assert called() >= {'mmacda_forward', 'mmacda_backward'}


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
@SHAPES
def test_half_precision(options, dtype):
    tensors, bases, geometry = test_native.make_case(**options)
    tensors = test_half.convert(tensors, dtype)
    results = test_native.run(tensors, bases, geometry)
    for ours, theirs in zip(results,
                            test_native.exact(tensors, bases, geometry)):
        assert ours.dtype == dtype
        assert test_half.distance(ours, theirs) < 0.5
    assert called() >= {'mmacda_forward', 'mmacda_backward'}


def test_norms_of_a_batch():
    operands = test_batch_generated.draw((2, 4, 9, 11))
    test_batch_generated.compare(
        test_batch_generated.run(operands),
        test_batch_generated.run(operands, define=True))
    assert called() >= {'mmacda_batch_norms', 'mmacda_batch_norms_backward'}


def test_a_layer_without_gradients():
    torch.manual_seed(0)
    layer = ACDAConv(8, 6, 3, padding=1, atom_generator='light').eval()
    x = torch.rand(2, 8, 9, 11)
    layer.backend = 'reference'
    with torch.no_grad():
        expected = layer(x)
        layer.backend = 'native'
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert 'mmacda_evaluated' in called()

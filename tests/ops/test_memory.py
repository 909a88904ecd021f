"""What the stock backend allocates and saves."""
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from mmacda.ops import adaptive_conv2d, reference
from mmacda.ops.backends import stock
from mmacda.testing.cases import OPERANDS, Case, evaluate

FLOAT = 4
CASES = [
    Case('wide', 1, 48, 16, (48, 48), (3, 5, 7), num_atoms=2, padding=(3, 3)),
    Case('direct', 1, 48, 16, (80, 80), None, 5, padding=(2, 2)),
    Case('batch', 16, 48, 16, (12, 12), (3, 5, 7), padding=(3, 3)),
    Case('dilated', 1, 96, 8, (40, 40), (7, ), padding=(6, 6),
         dilation=(2, 2)),
]


class LargestAllocation(TorchDispatchMode):
    """Bytes of the largest storage that any operation returns."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor):
                self.bytes = max(self.bytes, value.untyped_storage().nbytes())
        return result


def unfold_bytes(case):
    taps = case.support**2
    pixels = case.batch * case.out_size[0] * case.out_size[1]
    return FLOAT * case.in_channels * taps * pixels


def operand_bytes(case, operands):
    """Of the largest operand, padding and output included."""
    height, width = (n + 2 * p for n, p in zip(case.size, case.padding))
    pixels = case.batch * case.out_size[0] * case.out_size[1]
    sizes = [t.numel() for t in operands.values() if t is not None]
    return FLOAT * max(case.batch * case.in_channels * height * width,
                       case.out_channels * pixels, *sizes)


def largest_allocation(function, case, operands):
    with LargestAllocation() as recorder:
        evaluate(function, operands, case.geometry)
    return recorder.bytes


@pytest.mark.parametrize('case', CASES, ids=str)
def test_no_tensor_of_the_size_of_an_unfold(case):
    operands = case.operands(torch.float32)
    workspace = min(stock.CPU_WORKSPACE_BYTES, unfold_bytes(case) / 8)
    limit = 1.1 * max(operand_bytes(case, operands), workspace)
    assert limit < unfold_bytes(case) / 2, 'the case is too small to tell'
    largest = largest_allocation(
        lambda *a, **k: adaptive_conv2d(*a, **k, backend='stock'), case,
        operands)
    assert 0 < largest <= limit
    unfolded = largest_allocation(reference.adaptive_conv2d, case, operands)
    assert unfolded >= unfold_bytes(case), 'the recorder is blind'


@pytest.mark.parametrize('case', CASES, ids=str)
def test_saves_only_its_operands(case):
    operands = case.operands(torch.float32)
    given = {
        name: None if value is None else value.requires_grad_()
        for name, value in operands.items()
    }
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        adaptive_conv2d(**given, **case.geometry, backend='stock')
    total = sum(FLOAT * t.numel() for t in given.values() if t is not None)
    pixels = case.batch * case.size[0] * case.size[1]
    at_least = case.in_channels + case.num_atoms * case.num_coefficients
    assert FLOAT * at_least * pixels <= sum(saved.values()) <= total


def test_nothing_is_saved_without_gradients():
    case = Case('plain')
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda t: t):
        output = adaptive_conv2d(**case.operands(), **case.geometry)
    assert not saved and not output.requires_grad
    assert set(case.operands()) == set(OPERANDS)

"""The backend that serves every device, on a GPU, where cuBLAS multiplies."""
from functools import partial

import pytest
import torch

from mmacda.ops import adaptive_conv2d, reference
from mmacda.testing.cases import CASES, evaluate, relative_error

DEVICE = 'cuda'
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}


@pytest.mark.parametrize('dtype', TOLERANCES, ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_output_and_gradients_equal_reference(case, dtype):
    operands = case.operands(dtype, DEVICE)
    output, grads = evaluate(
        partial(adaptive_conv2d, backend='stock'), operands, case.geometry)
    exact = {k: v if v is None else v.cpu().double()
             for k, v in operands.items()}
    expected, expected_grads = evaluate(reference.adaptive_conv2d, exact,
                                        case.geometry)
    assert relative_error(output.cpu(), expected) < TOLERANCES[dtype]
    assert grads.keys() == expected_grads.keys()
    for name, grad in grads.items():
        error = relative_error(grad.cpu(), expected_grads[name])
        assert error < TOLERANCES[dtype], name

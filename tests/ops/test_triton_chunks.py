"""Chunks of the Triton backend, in the interpreter: the same bits."""
import pytest
import torch

from mmacda.ops.backends import triton
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import Case, relative_error

from .test_triton_generated import family_of, large_tiles  # noqa: F401

pytestmark = pytest.mark.interpreted
NEEDS = True, True, False, True
# Rows are as wide as what a program composes: the same products, bit by bit.
WIDTH = 16
CALLS = [
    ('BandSteps', torch.bfloat16, Case(
        'band', 2, 16, 16, (3, WIDTH), (3, ), padding=(1, 1), num_atoms=4)),
    ('FmaSteps', torch.float32, Case(
        'strided', 2, 4, 4, (5, WIDTH), (3, ), padding=(2, 1), num_atoms=3,
        stride=(2, 1), groups=2)),
    ('FmaSteps', torch.float32, Case(
        'direct', 2, 3, 2, (3, WIDTH), None, num_atoms=2)),
]


def run(case, dtype, family):
    """Output, and gradients of input, coefficients and weight."""
    (plan, *_), _ = triton._load()
    plan._cached_plan.cache_clear()
    operands = case.operands(dtype)
    given = [operands[name] for name in ('input', 'basis_coefficients',
                                         'atom_bases', 'weight')]
    geometry = ConvGeometry.checked(**case.geometry)
    y = triton.forward(*given, geometry, family=family)
    dy = torch.linspace(-1, 1, y.numel()).view(y.shape).to(dtype)
    grads = triton.backward(dy, *given, geometry, NEEDS, family=family)
    plan._cached_plan.cache_clear()
    return (y, *(grad for grad in grads if grad is not None))


@pytest.mark.parametrize('name, dtype, case', CALLS,
                         ids=[call[2].name for call in CALLS])
def test_chunks_share_the_atoms_of_all(name, dtype, case, monkeypatch,
                                       nan_in_new_memory):
    """Atoms composed once give what those of each chunk give."""
    from mmacda.ops.backends.triton import backward_pass, plan
    family = family_of(name)
    whole = run(case, dtype, family)
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    once = run(case, dtype, family)
    monkeypatch.setattr(backward_pass, 'ATOMS_BYTES', -1)
    anew = run(case, dtype, family)
    for shared, own, together in zip(once, anew, whole):
        assert shared.stride() == own.stride()
        assert torch.equal(shared, own)
        assert relative_error(shared, together) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize('case', [CALLS[1][2]], ids=str)
def test_products_that_take_memory_of_their_own(case, monkeypatch,
                                                nan_in_new_memory):
    """As those of float32 on a GPU, where convolutions take TensorFloat-32."""
    from mmacda.ops.backends.triton import forward_pass, plan, products
    for size in (plan.WORKSPACE_BYTES, (1, 1)):
        monkeypatch.setattr(plan, 'WORKSPACE_BYTES', size)
        right = run(case, torch.float32, family_of('FmaSteps'))
        with monkeypatch.context() as patch:
            patch.setattr(forward_pass, 'choose_products',
                          lambda groups, *_: products.ConvolvedProducts(
                              groups))
            found = run(case, torch.float32, family_of('FmaSteps'))
        for ours, plain in zip(found, right):
            assert relative_error(ours, plain) < 1e-6

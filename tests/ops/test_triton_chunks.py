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
        'band', 2, 16, 16, (2, WIDTH), (3, ), num_atoms=4)),
    ('FmaSteps', torch.float32, Case(
        'strided', 2, 4, 2, (3, WIDTH), (3, ), stride=(2, 1), groups=2)),
    ('FmaSteps', torch.float32, Case(
        'direct', 2, 3, 2, (2, WIDTH), None, num_atoms=1)),
]


def run(case, dtype, family):
    """Gradients of input, coefficients and weight."""
    (plan, *_), _ = triton._load()
    plan._cached_plan.cache_clear()
    operands = case.operands(dtype)
    given = [operands[name] for name in ('input', 'basis_coefficients',
                                         'atom_bases', 'weight')]
    shape = case.batch, case.out_channels, *case.out_size
    dy = torch.rand(shape, generator=torch.Generator().manual_seed(2)) - 0.5
    grads = triton.backward(
        dy.to(dtype), *given, ConvGeometry.checked(**case.geometry), NEEDS,
        family=family)
    plan._cached_plan.cache_clear()
    return [grad for grad in grads if grad is not None]


@pytest.mark.parametrize('name, dtype, case', CALLS,
                         ids=[call[2].name for call in CALLS])
def test_chunks_share_the_atoms_of_all(name, dtype, case, monkeypatch,
                                       nan_in_new_memory):
    """Atoms composed once give what those of each chunk give."""
    from mmacda.ops.backends.triton import backward_pass, plan
    family = family_of(name)
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    once = run(case, dtype, family)
    monkeypatch.setattr(backward_pass, 'ATOMS_BYTES', -1)
    for shared, own in zip(once, run(case, dtype, family)):
        assert shared.stride() == own.stride()
        assert torch.equal(shared, own)


def test_products_that_take_memory_of_their_own(monkeypatch,
                                                nan_in_new_memory):
    """As those of float32 on a GPU, where convolutions take TensorFloat-32;
    and one chunk gives what many give."""
    from mmacda.ops.backends.triton import forward_pass, plan, products
    name, dtype, case = CALLS[1]
    right = run(case, dtype, family_of(name))
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    monkeypatch.setattr(forward_pass, 'choose_products',
                        lambda groups, *_: products.ConvolvedProducts(groups))
    for ours, plain in zip(run(case, dtype, family_of(name)), right):
        assert relative_error(ours, plain) < 1e-6

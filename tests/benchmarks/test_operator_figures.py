"""Figures of the operator that do not depend on the machine."""
import pytest
import torch
from mmengine.analysis import FlopAnalyzer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from mmacda.ops import adaptive_conv2d
from mmacda.testing.large_cases import LARGE_CASES, paper_layer
from tools.benchmarks import goals
from tools.benchmarks.contestants import (CHOSEN, UNFOLD, fast_backends,
                                          make_contestant)
from tools.benchmarks.memory import saved_bytes

FLOAT = 4
# The paper's layer; the figures are per pixel, so that a small map will do.
CHANNELS, SIDE, ATOMS, BASES, TAPS = 256, 24, 6, 18, 49
CASE = paper_layer(1, CHANNELS, SIDE)


@pytest.fixture(scope='module')
def operands():
    return CASE.operands(torch.float32)


@pytest.fixture(scope='module', params=['native', 'stock', CHOSEN])
def backend(request, operands):
    if request.param not in (CHOSEN, *fast_backends(CASE, operands)):
        pytest.skip(f'{request.param} cannot run here')
    return request.param


def test_saved_bytes_are_a_thirtieth_of_unfold(backend, operands):
    ours = saved_bytes(make_contestant(backend, CASE, operands).function)
    unfold = saved_bytes(make_contestant(UNFOLD, CASE, operands).function)
    pixels = SIDE * SIDE
    weight = operands['weight'].numel()
    # Input and coefficients; the bases are constant and small.
    assert ours >= FLOAT * (pixels * (CHANNELS + ATOMS * BASES) + weight)
    per_pixel = CHANNELS * (TAPS + ATOMS) + ATOMS * (TAPS + BASES)
    assert unfold >= 0.9 * FLOAT * (pixels * per_pixel + weight)
    weights = 2 * FLOAT * (weight + operands['atom_bases'].numel())
    assert ours - weights <= goals.SAVED_BYTES * unfold
    assert ours <= FLOAT * pixels * (CHANNELS + ATOMS * BASES) + weights


class LargeAllocations(TorchDispatchMode):
    """Sizes of all new storages of at least ``smallest`` bytes."""

    def __init__(self, smallest, known):
        super().__init__()
        self.smallest, self.sizes = smallest, []
        self.known = {t.untyped_storage().data_ptr() for t in known}
        self.alive = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                if storage.data_ptr() not in self.known:
                    self.known.add(storage.data_ptr())
                    self.alive.append(storage)  # no address is used twice
                    if storage.nbytes() >= self.smallest:
                        self.sizes.append(storage.nbytes())
        return result


def large_allocations(contestant, method):
    """Those of half the input's size or more, in units of the input."""
    values = list(contestant.operands.values())
    unit = contestant.operands['input'].numel() * FLOAT
    with LargeAllocations(unit // 2, values) as recorder:
        getattr(contestant, method)()
    return [size / unit for size in recorder.sizes]


def test_number_of_full_size_temporaries(backend):
    """Per input: output and padded input forward; unfold needs 60 times it.

    The map is large enough for the workspaces not to count.
    """
    case = paper_layer(1, 64, 320)
    operands = case.operands(torch.float32)
    forward = large_allocations(
        make_contestant(backend, case, operands), 'forward')
    assert len(forward) <= 2 and sum(forward) < 2.5
    assert max(forward) < TAPS / 10


def test_backward_allocates_gradients_and_copies(backend):
    """The output, two gradients and at most four padded maps."""
    case = paper_layer(1, 64, 320)
    operands = case.operands(torch.float32)
    contestant = make_contestant(backend, case, operands)
    contestant.train()  # makes the gradient that is sent back
    sizes = large_allocations(contestant, 'train')
    padded = ((320 + 6) / 320)**2
    workspace = 8 * 2**20 / (FLOAT * 64 * 320**2)
    results = 1 + 1 + ATOMS * BASES / 64
    assert len(sizes) <= 7
    assert results <= sum(sizes) < results + 4 * padded + workspace
    unfold = large_allocations(
        make_contestant(UNFOLD, CASE, CASE.operands(torch.float32)), 'train')
    assert sum(sizes) < sum(unfold) / 10


class Operator(torch.nn.Module):

    def forward(self, *operands):
        return adaptive_conv2d(*operands, **CASE.geometry)


def test_flops_are_those_of_two_layers(operands):
    """Multiply-accumulates per pixel, as a counter sees them.

    Coefficient conv 6 C C_out, atom conv 6 * 49 C, atoms 6 * 18 * 49: below
    a sixth of a 7x7 convolution's.
    """
    given = tuple(operands[name] for name in ('input', 'basis_coefficients',
                                              'atom_bases', 'weight'))
    counter = FlopAnalyzer(Operator(), given)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    expected = ATOMS * CHANNELS**2 + ATOMS * TAPS * CHANNELS
    expected += ATOMS * BASES * TAPS
    assert counter.total() / SIDE**2 == pytest.approx(expected, rel=0.01)
    assert expected < TAPS * CHANNELS**2 / 6


def test_every_goal_belongs_to_a_timed_case():
    assert set(goals.LIMITS) == {str(case) for case in LARGE_CASES}

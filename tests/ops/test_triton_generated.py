"""Whole calls of the Triton backend by each family, in the interpreter.

Half precision as on a GPU, and coefficients that are made on the fly.
"""
from functools import partial

import pytest
import torch

from mmacda.ops import Generator, adaptive_conv2d_generated, reference
from mmacda.ops.backends import triton
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import PAPER, Case, relative_error

from . import test_generated as generated
from .test_one_hot import shifted
from .test_triton_bands import DTYPES, limit

pytestmark = pytest.mark.interpreted
FAMILIES = pytest.mark.parametrize('family', ['BandSteps', 'FmaSteps'])
CASES = [
    Case('paper', 1, 16, 16, (5, 6), padding=(3, 3), bias=False, **PAPER),
    Case('direct', 2, 16, 32, (3, 5), None, num_atoms=5, bias=False),
]
STRIDED = Case('strided', 1, 6, 4, (5, 4), (3, 5), padding=(2, 2),
               stride=(2, 1), groups=2, num_atoms=3, bias=False)


@pytest.fixture(autouse=True)
def large_tiles(monkeypatch):
    """That the interpreter is quick at."""
    from mmacda.ops.backends.triton import launch
    monkeypatch.setattr(launch, 'FEW_WARPS', 0)
    launch.choose_tile.cache_clear()
    yield
    launch.choose_tile.cache_clear()


def family_of(name):
    from mmacda.ops.backends.triton import band, fma
    return getattr(band, name, None) or getattr(fma, name)


def draw(case, dtype):
    """Operands by name, their exact values, and the geometry."""
    operands = generated.draw(case, dtype)
    operands['basis_coefficients'] = case.operands(
        dtype)['basis_coefficients']
    # As a layer's: not rounded.
    operands['atom_bases'] = operands['atom_bases'] and None \
        if case.scales is None else case.bases(torch.float64, 'cpu')
    exact = {name: tensor if tensor is None else
             tensor.double().requires_grad_(name != 'atom_bases')
             for name, tensor in operands.items()}
    return operands, exact, ConvGeometry.checked(**case.geometry)


@DTYPES
@FAMILIES
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_gradient_equals_the_definition(case, family, dtype):
    operands, exact, geometry = draw(case, dtype)
    x, alpha, psi, weight = (
        operands[n] for n in ('input', 'basis_coefficients', 'atom_bases',
                              'weight'))
    names = 'input', 'basis_coefficients', 'weight'
    right = reference.adaptive_conv2d(
        exact['input'], exact['basis_coefficients'], psi, exact['weight'],
        **case.geometry)
    dy = torch.randn(right.shape, generator=torch.Generator().manual_seed(
        3)).to(dtype)
    expected = torch.autograd.grad(right, [exact[n] for n in names],
                                   dy.double())
    family = family_of(family)
    output = triton.forward(x, alpha, psi, weight, geometry, family=family)
    assert output.dtype == dtype
    assert relative_error(output, right.detach()) < limit(dtype)
    grads = triton.backward(dy, x, alpha, psi, weight, geometry,
                            (True, True, False, True), family=family)
    for name, grad, true in zip(names, (grads[0], grads[1], grads[3]),
                                expected):
        assert relative_error(grad, true) < limit(dtype), name


@DTYPES
@pytest.mark.parametrize('case, family', [
    (CASES[0], 'BandSteps'), (CASES[1], 'BandSteps'), (STRIDED, 'FmaSteps')
], ids=str)
def test_every_gradient_of_a_generator(case, family, dtype):
    operands, exact, geometry = draw(case, dtype)
    names = 'input', 'hidden', 'matrix', 'weight'
    alpha = reference.generate_coefficients(exact['hidden'], exact['matrix'],
                                            case.num_atoms)
    right = reference.adaptive_conv2d(
        exact['input'], alpha, operands['atom_bases'], exact['weight'],
        **case.geometry)
    dy = torch.randn(right.shape, generator=torch.Generator().manual_seed(
        3)).to(dtype)
    expected = torch.autograd.grad(right, [exact[n] for n in names],
                                   dy.double())
    family = family_of(family)
    given = (operands['input'], operands['hidden'],
             Generator(operands['matrix'], case.num_atoms),
             operands['atom_bases'], operands['weight'], geometry)
    output = triton.forward_generated(*given, family=family)
    assert relative_error(output, right.detach()) < limit(dtype)
    grads = triton.backward_generated(dy, *given, (True, ) * 4,
                                      family=family)
    for name, grad, true in zip(names, grads, expected):
        assert relative_error(grad, true) < limit(dtype), name


@pytest.mark.parametrize('wanted', generated.NAMES[:4])
def test_each_gradient_of_a_generator_alone(wanted):
    case = Case('alone', 1, 3, 2, (3, 4), stride=(2, 1))
    operands = generated.draw(case)
    _, all_at_once = generated.run(operands, case, backend='triton')
    _, grads = generated.run(operands, case, backend='triton',
                             wanted=(wanted, ))
    assert torch.equal(grads[wanted], all_at_once[wanted])
    generated.compare((torch.ones(1), all_at_once),
                      (torch.ones(1), generated.define(operands, case)[1]),
                      1e-5)


def test_generated_in_chunks(monkeypatch, nan_in_new_memory):
    """A tiny workspace splits maps into single rows."""
    from mmacda.ops.backends.triton import plan
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    plan._cached_plan.cache_clear()
    case = Case('chunks', 2, 3, 4, (3, 4), (3, ), num_atoms=3)
    operands = generated.draw(case)
    generated.compare(generated.run(operands, case, backend='triton'),
                      generated.define(operands, case), 1e-5)
    plan._cached_plan.cache_clear()


def test_coefficients_are_never_in_memory(monkeypatch):
    """No tensor has as many values as they."""
    case = Case('memory', 1, 2, 2, (12, 12), (3, 5, 7), padding=(3, 3),
                num_atoms=6)
    operands = generated.draw(case)
    sizes = []
    from mmacda.ops.backends.triton import plan
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (2**14, 2**14))
    plan._cached_plan.cache_clear()

    def record(make, *args, **options):
        tensor = make(*args, **options)
        if tensor.device.type != 'meta':
            sizes.append(tensor.numel())
        return tensor

    for name in ('empty', 'empty_strided'):
        monkeypatch.setattr(torch, name,
                            partial(record, getattr(torch, name)))
    monkeypatch.setattr(triton, 'can_generate', lambda *_: None)
    with torch.no_grad():
        adaptive_conv2d_generated(
            operands['input'], operands['hidden'],
            Generator(operands['matrix'], 6), operands['atom_bases'],
            operands['weight'], padding=3, backend='triton')
    plan._cached_plan.cache_clear()
    assert sizes and max(sizes) < 108 * 12 * 12


@pytest.mark.parametrize('tap', range(9))
def test_every_tap_of_every_atom_of_a_band(tap):
    """Atoms with a single tap shift the input."""
    case = Case('probe', 1, 16, 96, (5, 6), None, num_atoms=6, bias=False)
    operands = case.operands(torch.float16)
    alpha = torch.zeros_like(operands['basis_coefficients'])
    for atom in range(6):
        alpha[:, atom, (tap + atom) % 9] = 1
    weight = torch.eye(96, dtype=torch.float16)[..., None, None]
    output = triton.forward(
        operands['input'], alpha, None, weight,
        ConvGeometry.checked(**case.geometry), family=family_of('BandSteps'))
    for atom in range(6):
        expected = shifted(case, operands['input'].double(),
                           (tap + atom) % 9)
        assert torch.equal(output[:, atom::6].double(), expected), atom


@pytest.mark.parametrize('change, reason', [
    (dict(), None),
    (dict(stride=(2, 1)), 'stride or dilation'),
    (dict(dilation=(1, 2)), 'stride or dilation'),
    (dict(groups=2), 'groups'),
    (dict(num_atoms=3), 'only 3 atoms'),
    (dict(in_channels=24), 'no multiple of 16'),
    (dict(out_channels=24), 'no multiple of 16'),
    (dict(scales=(9, ), padding=(4, 4)), 'as wide as 9'),
    ('float32', 'the input is torch.float32'),
    ('0', 'switches it off'),
])
def test_which_calls_take_tensor_cores(change, reason, monkeypatch):
    from mmacda.ops.backends.triton import band, fma, plan
    dtype = torch.float32 if change == 'float32' else torch.bfloat16
    monkeypatch.setenv(band.SWITCH, change if change == '0' else '')
    options = dict(num_atoms=6, in_channels=32, out_channels=32)
    case = Case('which', **dict(options, **(
        {} if isinstance(change, str) else change)))
    operands = case.operands(dtype)
    plan._cached_plan.cache_clear()
    made = plan.find_plan(
        operands['input'].contiguous(memory_format=torch.channels_last),
        operands['basis_coefficients'], operands['atom_bases'],
        operands['weight'], ConvGeometry.checked(**case.geometry), None)
    plan._cached_plan.cache_clear()
    if reason is None:
        assert type(made.steps) is band.BandSteps
    else:
        assert type(made.steps) is fma.FmaSteps
        assert reason in band.BandSteps.why_not(made)

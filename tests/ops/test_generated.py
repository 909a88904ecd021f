"""Coefficients made on the fly, against the definition."""
import pytest
import torch

from mmacda.ops import Generator, adaptive_conv2d_generated, reference
from mmacda.testing.cases import (CASES, PAPER, Case, relative_error,
                                   upstream_of)

HIDDEN = 5
NAMES = ('input', 'hidden', 'matrix', 'weight', 'bias')


def draw(case, dtype=torch.float32, hidden=HIDDEN):
    """Operands of a case by name, with hidden maps laid out as its input."""
    operands = case.operands(torch.float64)
    generator = torch.Generator().manual_seed(1)
    alpha = operands.pop('basis_coefficients')
    maps = torch.randn(alpha.shape[0], hidden, *alpha.shape[3:],
                       generator=generator, dtype=torch.float64)
    if operands['input'].is_contiguous(memory_format=torch.channels_last):
        maps = maps.contiguous(memory_format=torch.channels_last)
    matrix = torch.randn(alpha.shape[1] * alpha.shape[2], hidden + 1,
                         generator=generator, dtype=torch.float64)
    operands.update(hidden=maps, matrix=matrix)
    return {k: v if v is None else v.to(dtype) for k, v in operands.items()}


def run(operands, case, tanh=True, backend=None, wanted=NAMES):
    """Output and gradients by name."""
    operands = {
        k: v if v is None else v.detach().requires_grad_(k in wanted)
        for k, v in operands.items()
    }
    generator = Generator(operands['matrix'], case.num_atoms, tanh)
    output = adaptive_conv2d_generated(
        operands['input'], operands['hidden'], generator,
        operands['atom_bases'], operands['weight'], operands['bias'],
        **case.geometry, backend=backend)
    return output.detach(), differentiate(output, operands, wanted)


def define(operands, case, tanh=True, wanted=NAMES):
    operands = {
        k: v if v is None else v.detach().double().requires_grad_(
            k in wanted)
        for k, v in operands.items()
    }
    alpha = reference.generate_coefficients(
        operands['hidden'], operands['matrix'], case.num_atoms, tanh)
    output = reference.adaptive_conv2d(
        operands['input'], alpha, operands['atom_bases'], operands['weight'],
        operands['bias'], **case.geometry)
    return output.detach(), differentiate(output, operands, wanted)


def differentiate(output, operands, wanted):
    names = [n for n in wanted if operands[n] is not None]
    grads = torch.autograd.grad(output, [operands[n] for n in names],
                                upstream_of(output))
    return dict(zip(names, grads))


def compare(actual, expected, tolerance):
    output, grads = actual
    assert relative_error(output, expected[0]) < tolerance
    assert grads.keys() == expected[1].keys()
    for name, grad in grads.items():
        assert relative_error(grad, expected[1][name]) < tolerance, name


@pytest.mark.parametrize('tanh', [True, False])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_native_equals_the_definition(case, tanh):
    operands = draw(case)
    compare(
        run(operands, case, tanh, None if 0 in operands['input'].shape else
            'native'), define(operands, case, tanh), 1e-5)


@pytest.mark.parametrize('backend', ['stock', 'reference', 'export'])
@pytest.mark.parametrize('case', [
    Case('paper', padding=(3, 3), **PAPER),
    Case('groups', groups=2, stride=(2, 1)),
    Case('direct', scales=None),
], ids=str)
def test_other_backends_make_coefficients_first(case, backend):
    operands = draw(case, torch.float64)
    compare(run(operands, case, backend=backend), define(operands, case),
            1e-10)


@pytest.mark.parametrize('wanted', NAMES)
def test_each_gradient_alone_equals_all_at_once(wanted):
    case = Case('paper', 2, 5, 4, (7, 19), padding=(3, 3), **PAPER)
    operands = draw(case, hidden=17)
    _, grads = run(operands, case, wanted=(wanted, ))
    _, all_at_once = run(operands, case)
    assert torch.equal(grads[wanted], all_at_once[wanted])


def test_no_value_is_left_unwritten(nan_in_new_memory):
    case = Case('paper', 2, 5, 4, (7, 19), padding=(3, 3), **PAPER)
    operands = draw(case)
    compare(run(operands, case, backend='native'), define(operands, case),
            1e-5)


@pytest.mark.parametrize('atom', range(2))
@pytest.mark.parametrize('basis', range(12))
def test_one_coefficient_reaches_its_atom_and_basis(atom, basis):
    """A matrix with one shift and nothing else: constant coefficients."""
    case = Case('probe', 1, 3, 2, (5, 6), scales=(3, 5), padding=(2, 2))
    operands = draw(case)
    operands['matrix'].zero_()[atom * 12 + basis, HIDDEN] = 1
    filters = torch.einsum(
        'oc,yx->ocyx', operands['weight'][:, atom::2, 0, 0].double(),
        operands['atom_bases'][basis].double())
    expected = torch.nn.functional.conv2d(
        operands['input'].double(), filters, operands['bias'].double(),
        padding=2)
    output, _ = run(operands, case, False, 'native')
    assert relative_error(output, expected) < 1e-6


@pytest.mark.parametrize('channel', range(HIDDEN))
def test_one_hidden_channel_reaches_one_coefficient(channel):
    case = Case('probe', 1, 3, 2, (5, 6), scales=(3, 5), padding=(2, 2))
    operands = draw(case)
    operands['matrix'].zero_()[7, channel] = 1
    alpha = torch.zeros(1, 2, 12, 5, 6)
    alpha[0, 0, 7] = operands['hidden'][0, channel]
    expected = reference.adaptive_conv2d(
        operands['input'], alpha, operands['atom_bases'], operands['weight'],
        operands['bias'], padding=2)
    output, _ = run(operands, case, False, 'native')
    assert relative_error(output, expected) < 1e-6


def test_hidden_maps_without_their_norm():
    case = Case('paper', 2, 5, 4, (7, 19), padding=(3, 3), **PAPER)
    operands = draw(case)
    norm = torch.rand(2, HIDDEN) + 0.5
    generator = Generator(operands['matrix'], case.num_atoms, True, norm)
    names = 'atom_bases', 'weight', 'bias'
    with torch.no_grad():
        output = adaptive_conv2d_generated(
            operands['input'], operands['hidden'], generator,
            *(operands[n] for n in names), **case.geometry)
    scale, shift = norm[:, :, None, None]
    operands['hidden'] = (operands['hidden'] * scale + shift).tanh()
    assert relative_error(output, define(operands, case)[0]) < 1e-5


def test_tanh_is_exact_to_float32_over_its_whole_range():
    """Read back through a filter of one tap."""
    values = torch.linspace(-12, 12, 4001)
    values = torch.cat((values, torch.tensor([1e30, -1e30, 1e-30, 0.])))
    hidden = values.view(1, 1, 1, -1)
    generator = Generator(torch.tensor([[1., 0.]]), 1)
    output = adaptive_conv2d_generated(
        torch.ones_like(hidden), hidden, generator, None,
        torch.ones(1, 1, 1, 1), backend='native')
    expected = values.double().tanh()
    assert (output.flatten() - expected).abs().max() < 5e-7
    assert output.abs().max() <= 1


def test_gradients_by_finite_differences():
    case = Case('small', 1, 2, 2, (3, 4))
    operands = {k: v.requires_grad_() for k, v in
                draw(case, torch.float64, 2).items() if k != 'atom_bases'}
    bases = case.bases(torch.float64, 'cpu')

    def function(x, hidden, matrix, weight, bias):
        return adaptive_conv2d_generated(
            x, hidden, Generator(matrix, 2), bases, weight, bias, padding=1)

    assert torch.autograd.gradcheck(
        function, [operands[name] for name in NAMES])


def test_backward_keeps_no_coefficients():
    case = Case('paper', 2, 8, 8, (16, 16), padding=(3, 3), **PAPER)
    operands = draw(case, hidden=8)
    saved = []
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(t.numel()) or t, lambda t: t)
    generator = Generator(operands['matrix'].requires_grad_(), 6)
    with hooks:
        adaptive_conv2d_generated(
            operands['input'], operands['hidden'].requires_grad_(), generator,
            operands['atom_bases'], operands['weight'], padding=3)
    pixels = 2 * 16 * 16
    assert sum(saved) < (8 + 8 + 10) * pixels


@pytest.mark.parametrize('shape', [(36, 5), (35, 6), (36, )])
def test_a_matrix_that_does_not_fit_is_named(shape):
    case = Case('paper', padding=(3, 3), scales=(3, 5, 7))
    operands = draw(case)
    with pytest.raises(ValueError, match='matrix'):
        adaptive_conv2d_generated(
            operands['input'], operands['hidden'],
            Generator(torch.rand(shape), case.num_atoms),
            operands['atom_bases'], operands['weight'], padding=3)

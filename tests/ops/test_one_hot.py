"""One-hot probes: every tap, atom and basis, forward and backward.

What a probe must return is computed by shifting or convolving the input
directly, without the operator's definition.
"""
import pytest
import torch
import torch.nn.functional as F

from mmacda.testing.cases import (
    CPU_BACKENDS,
    Case,
    bind_exact,
    evaluate,
    relative_error,
    upstream_of,
)

every_backend = pytest.mark.parametrize('backend', CPU_BACKENDS)
DIRECT = [
    Case('taps-3', scales=None, kernel=3),
    Case('taps-5-stride-2', scales=None, kernel=5, stride=(2, 1)),
    Case('taps-7', scales=None, kernel=7, padding=(3, 3), size=(4, 5)),
    Case('taps-3-dilation-2', scales=None, dilation=(2, 2), padding=(2, 1)),
    Case('taps-3-groups', scales=None, groups=2),
    Case('taps-3-depthwise', scales=None, groups=4, out_channels=4),
]
MULTI_SCALE = [
    Case('bases-3-5-7', scales=(3, 5, 7), padding=(3, 3), num_atoms=6),
    Case('bases-3-5-stride-2', scales=(3, 5), stride=(2, 2), groups=2),
    Case('bases-7-all', scales=(7, ), num_bases=38, size=(7, 7), num_atoms=1),
]


def shifted(case, x, tap):
    """What tap (row, column) of a k x k kernel sees at every output pixel."""
    row, column = divmod(tap, case.support)
    (pad_h, pad_w), (out_h, out_w) = case.padding, case.out_size
    padded = F.pad(x, (pad_w, pad_w, pad_h, pad_h))
    top, left = row * case.dilation[0], column * case.dilation[1]
    step_h, step_w = case.stride
    return padded[..., top:top + step_h * (out_h - 1) + 1:step_h,
                  left:left + step_w * (out_w - 1) + 1:step_w]


def composition_of(case, operands, atom):
    """Weights (C_out, C/groups, 1, 1) that one atom is composed with."""
    return operands['weight'][:, atom::case.num_atoms]


@every_backend
@pytest.mark.parametrize('case', DIRECT, ids=str)
def test_every_tap_of_every_atom(case, backend):
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    for tap in range(case.kernel**2):
        for atom in range(case.num_atoms):
            alpha = torch.zeros_like(operands['basis_coefficients'])
            alpha[:, atom, tap] = 1
            output = function(
                **dict(operands, basis_coefficients=alpha), **case.geometry)
            expected = F.conv2d(
                shifted(case, operands['input'], tap),
                composition_of(case, operands, atom),
                operands['bias'],
                groups=case.groups)
            assert relative_error(output, expected) < tolerance, (tap, atom)


@every_backend
@pytest.mark.parametrize('case', DIRECT, ids=str)
def test_each_pixel_picks_its_own_tap(case, backend):
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    generator = torch.Generator().manual_seed(0)
    taps = torch.randint(
        case.kernel**2, (case.batch, *case.out_size), generator=generator)
    alpha = torch.zeros_like(operands['basis_coefficients'])
    alpha[:, 0] = F.one_hot(taps, case.kernel**2).movedim(-1, 1)
    output = function(
        **dict(operands, basis_coefficients=alpha), **case.geometry)
    candidates = torch.stack([
        shifted(case, operands['input'], tap)
        for tap in range(case.kernel**2)
    ])
    picked = candidates.gather(
        0, taps[None, :, None].expand_as(candidates[:1]))[0]
    expected = F.conv2d(
        picked,
        composition_of(case, operands, 0),
        operands['bias'],
        groups=case.groups)
    assert relative_error(output, expected) < tolerance


@every_backend
@pytest.mark.parametrize('case', DIRECT, ids=str)
def test_every_tap_gets_its_gradient(case, backend):
    """d(sum of one output channel) / d(tap) is the shifted input."""
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    alpha = operands['basis_coefficients'].clone().requires_grad_()
    output = function(
        **dict(operands, basis_coefficients=alpha), **case.geometry)
    out = case.out_channels - 1
    grad, = torch.autograd.grad(output[:, out].sum(), alpha)
    first = case.in_channels - case.in_channels // case.groups
    for tap in range(case.kernel**2):
        seen = shifted(case, operands['input'], tap)[:, first:]
        for atom in range(case.num_atoms):
            weight = composition_of(case, operands, atom)[out]
            expected = (weight * seen).sum(1)
            error = relative_error(grad[:, atom, tap], expected)
            assert error < tolerance, (tap, atom)


@every_backend
@pytest.mark.parametrize('case', DIRECT, ids=str)
def test_every_input_pixel_gets_its_gradient(case, backend):
    """The gradient of one output pixel is that pixel's own filter."""
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    x = operands['input'].clone().requires_grad_()
    output = function(**dict(operands, input=x), **case.geometry)
    row, column = case.out_size[0] // 2, case.out_size[1] - 1
    out = case.out_channels - 1
    grad, = torch.autograd.grad(output[-1, out, row, column], x)
    fan = case.in_channels // case.groups
    composition = operands['weight'][out].view(fan, case.num_atoms)
    taps = operands['basis_coefficients'][-1, :, :, row, column]
    filters = composition @ taps
    (pad_h, pad_w), (height, width) = case.padding, case.size
    expected = torch.zeros(
        case.in_channels,
        height + 2 * pad_h,
        width + 2 * pad_w,
        dtype=torch.float64)
    for tap in range(case.kernel**2):
        i = row * case.stride[0] + tap // case.kernel * case.dilation[0]
        j = column * case.stride[1] + tap % case.kernel * case.dilation[1]
        expected[-fan:, i, j] = filters[:, tap]
    expected = expected[:, pad_h:pad_h + height, pad_w:pad_w + width]
    assert relative_error(grad[-1], expected) < tolerance
    assert case.batch == 2 and not grad[0].any()


@every_backend
@pytest.mark.parametrize('case', MULTI_SCALE, ids=str)
def test_every_basis_of_every_atom(case, backend):
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    for index, basis in enumerate(operands['atom_bases']):
        depthwise = basis.expand(case.in_channels, 1, *basis.shape)
        filtered = F.conv2d(operands['input'], depthwise,
                            **dict(case.geometry, groups=case.in_channels))
        for atom in range(case.num_atoms):
            alpha = torch.zeros_like(operands['basis_coefficients'])
            alpha[:, atom, index] = 1
            output = function(
                **dict(operands, basis_coefficients=alpha), **case.geometry)
            expected = F.conv2d(
                filtered,
                composition_of(case, operands, atom),
                operands['bias'],
                groups=case.groups)
            assert relative_error(output, expected) < tolerance, (index, atom)


@every_backend
@pytest.mark.parametrize('case', MULTI_SCALE, ids=str)
def test_every_basis_gets_its_gradient(case, backend):
    """The gradient of a coefficient is the input filtered by its basis."""
    operands = case.operands()
    function, tolerance = bind_exact(backend, operands, case.geometry)
    output, grads = evaluate(function, operands, case.geometry,
                             ('basis_coefficients', ))
    upstream = upstream_of(output)
    for index, basis in enumerate(operands['atom_bases']):
        depthwise = basis.expand(case.in_channels, 1, *basis.shape)
        filtered = F.conv2d(operands['input'], depthwise,
                            **dict(case.geometry, groups=case.in_channels))
        for atom in range(case.num_atoms):
            composed = F.conv2d(
                filtered,
                composition_of(case, operands, atom),
                groups=case.groups)
            expected = (composed * upstream).sum(1)
            error = relative_error(grads['basis_coefficients'][:, atom, index],
                                   expected)
            assert error < tolerance, (index, atom)


@every_backend
@pytest.mark.parametrize('value', (1e-30, -1e-30))
def test_tiny_bases_count(value, backend):
    """Only exact zeros are dead taps."""
    case = Case('tiny', num_bases=1, num_atoms=1, bias=False)
    operands = case.operands()
    basis = torch.zeros_like(operands['atom_bases'])
    basis[0, 0, 2] = value
    operands['atom_bases'] = basis
    function, tolerance = bind_exact(backend, operands, case.geometry)
    output = function(**operands, **case.geometry)
    seen = operands['basis_coefficients'][:, 0] * shifted(
        case, operands['input'], 2)
    expected = value * F.conv2d(seen, operands['weight'])
    assert relative_error(output / value, expected / value) < tolerance


@every_backend
def test_zero_bases_leave_the_bias(backend):
    case = Case('zero')
    operands = case.operands()
    operands['atom_bases'] = torch.zeros_like(operands['atom_bases'])
    function, tolerance = bind_exact(backend, operands, case.geometry)
    output, grads = evaluate(
        function,
        operands,
        case.geometry,
        differentiate=('input', 'basis_coefficients', 'weight', 'bias'))
    expected = operands['bias'][:, None, None].expand_as(output)
    assert relative_error(output, expected) < tolerance
    assert grads['bias'].all()
    for name in ('input', 'basis_coefficients', 'weight'):
        assert grads[name].shape == operands[name].shape
        assert not grads[name].any(), name

"""Arguments, dtypes and autocast of adaptive_conv2d."""
import pytest
import torch

from mmacda.ops import adaptive_conv2d
from mmacda.testing.cases import (
    CPU_BACKENDS,
    OPERANDS,
    Case,
    bind,
    evaluate,
    relative_error,
)

CASE = Case('valid')  # input (2, 4, 6, 7), 2 atoms, 6 bases, 6 outputs
every_backend = pytest.mark.parametrize('backend', CPU_BACKENDS)
HALF_TYPES = pytest.mark.parametrize('dtype', (torch.float16, torch.bfloat16),
                                     ids=('float16', 'bfloat16'))


def call(**changes):
    operands = CASE.operands(torch.float32)
    return adaptive_conv2d(**{**operands, **CASE.geometry, **changes})


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize('changes,message', [
    (dict(stride=0), 'stride must be an integer of at least 1.*got 0'),
    (dict(stride=(1, 2, 3)), r'stride must be .*got \(1, 2, 3\)'),
    (dict(stride=1.5), 'stride must be .*got 1.5'),
    (dict(stride='2'), "stride must be .*got '2'"),
    (dict(padding=-1), 'padding must be an integer of at least 0.*got -1'),
    (dict(padding='same'), "padding must be .*got 'same'"),
    (dict(dilation=0), 'dilation must be an integer of at least 1.*got 0'),
    (dict(dilation=True), 'dilation must be .*got True'),
    (dict(groups=0), 'groups must be a positive integer.*got 0'),
    (dict(groups=1.0), 'groups must be a positive integer.*got 1.0'),
    (dict(groups=3), r'input channels \(4\) must be divisible by groups'),
    (dict(groups=4), r'weight.shape\[0\] \(6\) must be divisible by groups'),
    (dict(input=zeros(4, 6, 7)), r'input must have shape \(B, C, H, W\)'),
    (dict(input=zeros(1, 2, 4, 6, 7)), 'input must have shape'),
    (dict(basis_coefficients=zeros(2, 12, 6, 7)),
     r'basis_coefficients must have shape \(B, m, J, Ho, Wo\)'),
    (dict(atom_bases=zeros(6, 9)), r'atom_bases must have shape \(J, k, k\)'),
    (dict(weight=zeros(6, 8)), 'weight must have shape'),
    (dict(bias=zeros(6, 1)), r'bias must have shape \(C_out, \)'),
    (dict(bias=zeros(5)), r'bias must have shape \(6, \).*got \(5,\)'),
    (dict(atom_bases=zeros(6, 4, 4)), 'atom_bases must .* k odd.*4, 4'),
    (dict(atom_bases=zeros(6, 3, 5)), 'atom_bases must .* k odd.*3, 5'),
    (dict(atom_bases=zeros(7, 3, 3)), '6 coefficients.*atom_bases has 7'),
    (dict(atom_bases=None), 'basis_coefficients.*k odd, but got 6'),
    (dict(atom_bases=None, basis_coefficients=zeros(2, 2, 16, 6, 7)),
     'basis_coefficients.*k odd, but got 16'),
    (dict(weight=zeros(6, 4, 1, 1)), r'weight must .*\(6, 8, 1, 1\).*4, 1'),
    (dict(weight=zeros(6, 8, 3, 3)), 'weight must .*got .*3, 3'),
    (dict(basis_coefficients=zeros(2, 2, 6, 6, 6)),
     'basis_coefficients must .* 2 x 6 x 7 output pixels.*6, 6, 6'),
    (dict(basis_coefficients=zeros(1, 2, 6, 6, 7)),
     'basis_coefficients must hold one set for each'),
    (dict(stride=2), 'basis_coefficients must .* 2 x 3 x 4 output pixels'),
    (dict(padding=0, input=zeros(2, 4, 2, 7)),
     'input of 2 x 7 pixels is smaller than the 3 x 3 kernel'),
    (dict(padding=0, dilation=3), 'smaller than the 3 x 3 kernel.*dilation'),
    (dict(backend='fast'), "backend='fast' is unknown; supported are"),
    (dict(backend=3), 'backend=3 is unknown'),
])
def test_value_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        call(**changes)


@pytest.mark.parametrize('name', OPERANDS)
def test_integer_tensors(name):
    integers = CASE.operands()[name].long()
    with pytest.raises(
            TypeError, match=f'{name} must have a floating point.*int64'):
        call(**{name: integers})


@pytest.mark.parametrize('name', OPERANDS)
def test_complex_tensors(name):
    values = CASE.operands()[name].to(torch.complex64)
    with pytest.raises(TypeError, match=f'{name} must have a floating point'):
        call(**{name: values})


@pytest.mark.parametrize('name', OPERANDS)
def test_what_is_not_a_tensor(name):
    with pytest.raises(TypeError, match=f'{name} must be a .*Tensor.*ndarray'):
        call(**{name: CASE.operands()[name].numpy()})


@pytest.mark.parametrize('name', ('input', 'basis_coefficients', 'weight'))
def test_missing_tensors(name):
    with pytest.raises(TypeError, match=f'{name} must be a .*NoneType'):
        call(**{name: None})


@pytest.mark.parametrize('name', ('basis_coefficients', 'weight', 'bias'))
def test_mixed_dtypes(name):
    with pytest.raises(
            TypeError, match=f'{name} has dtype torch.float64.*float32'):
        call(**{name: CASE.operands()[name]})


@pytest.mark.parametrize('name', OPERANDS[1:])
def test_mixed_devices(name):
    with pytest.raises(TypeError, match=f'{name} is on meta.*cpu'):
        call(**{name: CASE.operands(torch.float32)[name].to('meta')})


def test_defaults_are_those_of_conv2d():
    case = Case('defaults', padding=(0, 0))
    operands = case.operands()
    del operands['bias']
    expected = adaptive_conv2d(**operands, bias=None, **case.geometry)
    assert torch.equal(adaptive_conv2d(**operands), expected)


def test_integers_mean_both_dimensions():
    case = Case('pairs', stride=(2, 2), padding=(2, 2), dilation=(2, 2))
    operands = case.operands()
    expected = adaptive_conv2d(**operands, **case.geometry)
    output = adaptive_conv2d(**operands, stride=2, padding=2, dilation=2)
    assert torch.equal(output, expected)


@every_backend
def test_bases_are_cast_to_the_input(backend):
    """float64 bases serve a float32 input, and get a float64 gradient."""
    operands = CASE.operands(torch.float32)
    exact = CASE.operands()['atom_bases']
    function = bind(backend, operands, CASE.geometry)
    expected, expected_grads = evaluate(function, operands, CASE.geometry)
    output, grads = evaluate(function, dict(operands, atom_bases=exact),
                             CASE.geometry)
    assert output.dtype == torch.float32
    assert torch.equal(output, expected)
    assert grads['atom_bases'].dtype == torch.float64
    assert torch.equal(grads['atom_bases'].float(),
                       expected_grads['atom_bases'])


@HALF_TYPES
@pytest.mark.parametrize('case', [
    Case('paper', scales=(3, 5, 7), padding=(3, 3), num_atoms=6),
    Case('direct', scales=None),
    Case('groups', groups=2, stride=(2, 2)),
    Case('no-bias', bias=False),
],
                         ids=str)
def test_half_types(case, dtype):
    operands = case.operands(dtype)
    output, grads = evaluate(adaptive_conv2d, operands, case.geometry)
    single = {k: v if v is None else v.float() for k, v in operands.items()}
    expected, expected_grads = evaluate(adaptive_conv2d, single, case.geometry)
    tolerance = 4 * torch.finfo(dtype).eps
    assert output.dtype == dtype
    assert relative_error(output, expected) < tolerance
    assert grads.keys() == expected_grads.keys()
    for name, grad in grads.items():
        assert grad.dtype == dtype, name
        assert relative_error(grad, expected_grads[name]) < tolerance, name


@every_backend
def test_cpu_autocast(backend):
    operands = CASE.operands(torch.float32)
    function = bind(backend, operands, CASE.geometry)
    expected, expected_grads = evaluate(function, operands, CASE.geometry)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output, grads = evaluate(function, operands, CASE.geometry)
    tolerance = 8 * torch.finfo(torch.bfloat16).eps
    assert output.dtype == torch.bfloat16
    assert relative_error(output, expected) < tolerance
    for name, grad in grads.items():
        assert grad.dtype == torch.float32, name
        assert relative_error(grad, expected_grads[name]) < tolerance, name


def test_cpu_autocast_leaves_float64_alone():
    operands = CASE.operands()
    expected = adaptive_conv2d(**operands, **CASE.geometry)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = adaptive_conv2d(**operands, **CASE.geometry)
    assert torch.equal(output, expected)


def test_cpu_autocast_takes_mixed_operands():
    """What a layer passes: float32 weights and a bfloat16 generator."""
    operands = CASE.operands(torch.float32)
    alpha = operands['basis_coefficients'].bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = call(basis_coefficients=alpha)
    assert output.dtype == torch.bfloat16
    assert output.isfinite().all()

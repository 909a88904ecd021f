"""The definition's two forms against each other and PyTorch's convolution."""
import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import reference
from mmacda.testing.cases import CASES, evaluate, relative_error

NON_EMPTY = [case for case in CASES if case.batch]


@pytest.mark.parametrize('case', CASES, ids=str)
def test_rebuilt_filters_equal_two_layers(case):
    operands = case.operands()
    filters, filter_grads = evaluate(reference.adaptive_conv2d_filters,
                                     operands, case.geometry)
    layers, layer_grads = evaluate(reference.adaptive_conv2d, operands,
                                   case.geometry)
    assert layers.shape == (case.batch, case.out_channels, *case.out_size)
    assert relative_error(layers, filters) < 1e-12
    for name, grad in layer_grads.items():
        assert relative_error(grad, filter_grads[name]) < 1e-12, name


@pytest.mark.parametrize('case', CASES, ids=str)
def test_constant_coefficients_make_a_plain_convolution(case):
    operands = case.operands()
    generator = torch.Generator().manual_seed(1)
    alpha = torch.randn((case.num_atoms, case.num_coefficients),
                        generator=generator,
                        dtype=torch.float64)
    bases = operands['atom_bases']
    atoms = alpha if bases is None else torch.einsum(
        'mj,jt->mt', alpha, bases.flatten(1))
    composition = operands['weight'].view(case.out_channels, -1,
                                          case.num_atoms)
    filters = torch.einsum('ocm,mt->oct', composition, atoms)
    filters = filters.unflatten(2, (case.support, case.support))
    expected = F.conv2d(operands['input'], filters, operands['bias'],
                        **case.geometry)
    constant = alpha[:, :, None, None].expand_as(
        operands['basis_coefficients'])
    output = reference.adaptive_conv2d(
        **dict(operands, basis_coefficients=constant), **case.geometry)
    assert relative_error(output, expected) < 1e-10


@pytest.mark.parametrize('case', NON_EMPTY[::4], ids=str)
def test_each_pixel_uses_its_own_coefficients(case):
    """One output pixel computed by hand from its patch."""
    operands = case.operands()
    output = reference.adaptive_conv2d(**operands, **case.geometry)
    height, width = case.out_size
    k, (pad_h, pad_w) = case.support, case.padding
    padded = F.pad(operands['input'], (pad_w, pad_w, pad_h, pad_h))
    for row, column in {(0, 0), (height - 1, width // 2), (0, width - 1)}:
        alpha = operands['basis_coefficients'][-1, :, :, row, column]
        bases = operands['atom_bases']
        atoms = alpha if bases is None else alpha @ bases.flatten(1)
        for out in range(case.out_channels):
            group = out * case.groups // case.out_channels
            expected = operands['bias'][out] if case.bias else 0
            fan = case.in_channels // case.groups
            for c in range(fan):
                for m in range(case.num_atoms):
                    coefficient = operands['weight'][
                        out, c * case.num_atoms + m, 0, 0]
                    for tap in range(k * k):
                        i = row * case.stride[0] + \
                            tap // k * case.dilation[0]
                        j = column * case.stride[1] + \
                            tap % k * case.dilation[1]
                        expected = expected + coefficient * atoms[m, tap] * \
                            padded[-1, group * fan + c, i, j]
            actual = output[-1, out, row, column]
            assert actual.item() == pytest.approx(
                float(expected), rel=1e-10, abs=1e-12)

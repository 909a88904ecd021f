"""Any shape and hyper-parameters: backends against the definition."""
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mmacda.ops import adaptive_conv2d, reference
from mmacda.testing.cases import (
    CPU_BACKENDS,
    LAYOUTS,
    Case,
    evaluate,
    in_float32,
    relative_error,
    unsupported_reason,
)

quick = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow])


@st.composite
def cases(draw):

    def pairs(low, high):
        return st.tuples(st.integers(low, high), st.integers(low, high))

    groups = draw(st.integers(1, 3))
    scales = draw(st.sampled_from([None, (3, ), (5, ), (3, 5), (3, 5, 7)]))
    kernel = draw(st.sampled_from((1, 3, 5)))
    support = scales[-1] if scales else kernel
    case = Case(
        'drawn',
        batch=draw(st.integers(0, 2)),
        in_channels=groups * draw(st.integers(1, 3)),
        out_channels=groups * draw(st.integers(1, 3)),
        size=draw(pairs(1, 9)),
        scales=scales,
        kernel=kernel,
        num_bases=draw(st.integers(1, 6)),
        num_atoms=draw(st.integers(1, 3)),
        stride=draw(pairs(1, 3)),
        padding=draw(pairs(0, support)),
        dilation=draw(pairs(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        layout=draw(st.sampled_from(sorted(LAYOUTS))))
    assume(
        all(n + 2 * p > d * (support - 1) for n, p, d in zip(
            case.size, case.padding, case.dilation)))
    return case


@pytest.mark.parametrize(
    'backend', [name for name in CPU_BACKENDS if name != 'reference'])
@quick
@given(case=cases())
def test_backend_equals_reference(backend, case):
    operands = case.operands()
    function, tolerance = partial(adaptive_conv2d, backend=backend), 1e-10
    if unsupported_reason(backend, operands, case.geometry):
        assume(case.batch)  # a backend may refuse an empty batch
        function, tolerance = in_float32(backend), 1e-5
    output, grads = evaluate(function, operands, case.geometry)
    expected, expected_grads = evaluate(reference.adaptive_conv2d, operands,
                                        case.geometry)
    assert output.shape == (case.batch, case.out_channels, *case.out_size)
    assert relative_error(output, expected) < tolerance
    for name, grad in grads.items():
        assert relative_error(grad, expected_grads[name]) < tolerance, name


@quick
@given(case=cases())
def test_rebuilt_filters_equal_two_layers(case):
    operands = case.operands()
    filters = reference.adaptive_conv2d_filters(**operands, **case.geometry)
    layers = reference.adaptive_conv2d(**operands, **case.geometry)
    assert relative_error(layers, filters) < 1e-12


@quick
@given(case=cases(), scale=st.floats(-4, 4))
def test_linear_in_every_operand(case, scale):
    """Scaling input, coefficients, bases or weights scales the output."""
    operands = dict(case.operands(), bias=None)
    output = adaptive_conv2d(**operands, **case.geometry)
    for name, value in operands.items():
        if value is None:
            continue
        scaled = adaptive_conv2d(**dict(operands, **{name: value * scale}),
                                 **case.geometry)
        error = (scaled - scale * output).abs().amax() if case.batch else 0
        assert error <= 1e-11 * (1 + (output.abs().amax()
                                      if case.batch else 0)), name
    assert output.dtype == torch.float64

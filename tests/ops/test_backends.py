"""Every backend against the reference: outputs and all gradients."""
from functools import partial

import pytest
import torch

from mmacda.ops import (
    adaptive_conv2d,
    available_backends,
    backends,
    reference,
)
from mmacda.ops.backends import (
    BACKENDS,
    COMPUTING,
    DIFFERENTIABLE,
    ENVIRONMENT_VARIABLE,
)
from mmacda.testing.cases import (
    CASES,
    CPU_BACKENDS,
    OPERANDS,
    PAPER,
    UNCONDITIONAL,
    Case,
    bind,
    evaluate,
    relative_error,
)

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}
SMALL = Case('small', batch=1, in_channels=2, out_channels=2, size=(3, 4))
GRADCHECK_CASES = [
    SMALL,
    Case('direct', 1, 2, 2, (3, 3), scales=None),
    Case('strided-groups', 2, 2, 2, (4, 3), stride=(2, 1), groups=2),
    Case('dilated', 1, 1, 2, (3, 4), dilation=(2, 1), padding=(2, 0)),
]
every_backend = pytest.mark.parametrize('backend', CPU_BACKENDS)


@every_backend
@pytest.mark.parametrize('dtype', TOLERANCES, ids=lambda t: str(t)[6:])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_output_and_gradients_equal_reference(case, dtype, backend):
    operands = case.operands(dtype)
    output, grads = evaluate(
        bind(backend, operands, case.geometry), operands, case.geometry)
    exact = {k: v if v is None else v.double() for k, v in operands.items()}
    expected, expected_grads = evaluate(reference.adaptive_conv2d, exact,
                                        case.geometry)
    assert output.dtype == dtype
    assert relative_error(output, expected) < TOLERANCES[dtype]
    assert grads.keys() == expected_grads.keys()
    for name, grad in grads.items():
        assert grad.dtype == dtype, name
        error = relative_error(grad, expected_grads[name])
        assert error < TOLERANCES[dtype], name


@every_backend
@pytest.mark.parametrize('case', [
    Case('paper', scales=(3, 5, 7), padding=(3, 3)),
    Case('direct', scales=None),
    Case('groups', groups=2, stride=(2, 2)),
],
                         ids=str)
@pytest.mark.parametrize('wanted', OPERANDS)
def test_each_gradient_alone_equals_all_at_once(case, wanted, backend):
    operands = case.operands()
    if operands[wanted] is None:
        wanted = 'bias'
    function = bind(backend, operands, case.geometry)
    _, together = evaluate(function, operands, case.geometry)
    _, alone = evaluate(function, operands, case.geometry, (wanted, ))
    assert list(alone) == [wanted]
    assert relative_error(alone[wanted], together[wanted]) < 1e-12


@every_backend
@pytest.mark.parametrize('case', GRADCHECK_CASES, ids=str)
def test_gradcheck(case, backend):
    operands = case.operands()
    function = bind(backend, operands, case.geometry)
    names = [name for name in OPERANDS if operands[name] is not None]
    tensors = [operands[name].clone().requires_grad_() for name in names]

    def call(*values):
        given = dict(operands, **dict(zip(names, values)))
        return function(*(given[name] for name in OPERANDS), **case.geometry)

    assert torch.autograd.gradcheck(call, tensors)


@every_backend
@pytest.mark.parametrize('case', [c for c in CASES if c.batch][::3], ids=str)
def test_two_calls_are_bitwise_equal(case, backend):
    operands = case.operands(torch.float32)
    function = bind(backend, operands, case.geometry)
    first, first_grads = evaluate(function, operands, case.geometry)
    second, second_grads = evaluate(function, operands, case.geometry)
    assert torch.equal(first, second)
    for name, grad in first_grads.items():
        assert torch.equal(grad, second_grads[name]), name


@every_backend
@pytest.mark.parametrize('case', CASES[:5], ids=str)
def test_operands_are_not_modified(case, backend):
    operands = case.operands()
    before = {k: v if v is None else v.clone() for k, v in operands.items()}
    function = bind(backend, operands, case.geometry)
    evaluate(function, operands, case.geometry)
    for name, value in before.items():
        assert value is None or torch.equal(value, operands[name]), name


@every_backend
@pytest.mark.parametrize('bias', (True, False))
@pytest.mark.parametrize('operand', ('input', 'output'))
def test_activations_in_place(operand, bias, backend):
    """Conv + in-place ReLU, the usual block, before or behind."""
    case = Case('block', bias=bias)
    operands = case.operands()
    function = bind(backend, operands, case.geometry)

    def block(relu, input, *args, **geometry):
        if operand == 'input':
            return function(relu(input * 1), *args, **geometry)
        return relu(function(input, *args, **geometry))

    output, grads = evaluate(
        partial(block, torch.relu_), operands, case.geometry)
    expected, expected_grads = evaluate(
        partial(block, torch.relu), operands, case.geometry)
    assert torch.equal(output, expected)
    for name, grad in expected_grads.items():
        assert torch.equal(grads[name], grad), name


@every_backend
@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_cell_is_written(case, backend, nan_in_new_memory):
    assert torch.empty(3).isnan().all()
    operands = case.operands(torch.float32)
    function = bind(backend, operands, case.geometry)
    output, grads = evaluate(function, operands, case.geometry)
    assert output.isfinite().all()
    for name, grad in grads.items():
        assert grad.isfinite().all(), name


@pytest.mark.parametrize('backend', [
    name for name, module in BACKENDS.items()
    if hasattr(module, 'CPU_WORKSPACE_BYTES')
])
@pytest.mark.parametrize('workspace', [1, 3000, 60000])
@pytest.mark.parametrize('case', [
    Case('strided', 3, size=(7, 5), stride=(2, 1), groups=2),
    Case('wide', 3, size=(9, 20), padding=(3, 3), **PAPER),
    Case('dilated', 3, size=(9, 7), dilation=(2, 1), padding=(1, 3)),
    Case('direct', 2, size=(8, 18), scales=None, kernel=5, padding=(4, 0)),
], ids=str)  # yapf: disable
def test_chunk_borders(monkeypatch, case, workspace, backend):
    """A tiny workspace splits rows and images into many chunks."""
    operands = case.operands()
    function = bind(backend, operands, case.geometry)
    whole, whole_grads = evaluate(function, operands, case.geometry)
    monkeypatch.setattr(BACKENDS[backend], 'CPU_WORKSPACE_BYTES', workspace)
    parts, part_grads = evaluate(function, operands, case.geometry)
    assert relative_error(parts, whole) < 1e-12
    for name, grad in part_grads.items():
        assert relative_error(grad, whole_grads[name]) < 1e-12, name


@every_backend
def test_environment_variable_chooses(monkeypatch, backend):
    operands = SMALL.operands(torch.float32)
    function = bind(backend, operands, SMALL.geometry)
    expected = function(**operands, **SMALL.geometry)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, backend)
    assert torch.equal(
        adaptive_conv2d(**operands, **SMALL.geometry), expected)


def test_unknown_backend_lists_the_supported_ones():
    with pytest.raises(ValueError) as error:
        adaptive_conv2d(
            **SMALL.operands(), **SMALL.geometry, backend='cudnn')
    assert "backend='cudnn' is unknown" in str(error.value)
    assert all(repr(name) in str(error.value) for name in BACKENDS)


def test_unknown_backend_in_the_environment(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, 'cudnn')
    with pytest.raises(ValueError, match="MMACDA_BACKEND='cudnn' is unknown"):
        adaptive_conv2d(**SMALL.operands(), **SMALL.geometry)


def test_stock_and_reference_are_always_there():
    assert set(UNCONDITIONAL) <= set(available_backends())


def test_every_backend_follows_the_contract():
    """What each folder or file gives, and in which table it stands."""
    assert {**COMPUTING, **DIFFERENTIABLE} == BACKENDS
    for table, names in ((COMPUTING, ('can_run', 'forward', 'backward')),
                         (DIFFERENTIABLE, ('adaptive_conv2d', ))):
        for name, module in table.items():
            assert all(callable(getattr(module, n)) for n in names), name


def test_the_choice_is_told_once(monkeypatch, caplog):
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    backends._tell.cache_clear()
    double, single = (SMALL.operands(dtype)
                      for dtype in (torch.float64, torch.float32))
    with caplog.at_level('DEBUG', logger='mmacda'):
        for _ in range(2):
            adaptive_conv2d(**double, **SMALL.geometry)
            adaptive_conv2d(**single, **SMALL.geometry, backend='stock')
    why = 'it computes in float32, but the input is torch.float64'
    assert [m for m in caplog.messages if 'backend serves' in m] == [
        f'the reference backend serves: not native: {why}',
        'the stock backend serves: backend names it'
    ]


def test_triton_fused_is_deprecated():
    backends._deprecate.cache_clear()
    with pytest.warns(FutureWarning, match="'triton_fused' goes") as told:
        for _ in range(2):
            with pytest.raises(ValueError, match='cannot run this call'):
                adaptive_conv2d(**SMALL.operands(), **SMALL.geometry,
                                backend='triton_fused')
    assert len(told) == 1

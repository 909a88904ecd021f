"""What is a verdict over kernels, and what is none."""
import logging

import pytest
import torch

from mmacda.ops import adaptive_conv2d
from mmacda.ops.autocast import autocast_dtype
from mmacda.ops.backends import capture, stock, triton
from mmacda.ops.backends.triton import trial
from mmacda.ops.geometry import ConvGeometry
from mmacda.testing.cases import Case, relative_error

CPU, SINGLE = torch.device('cpu'), torch.float32
KEY = CPU, SINGLE, 'kernels'


@pytest.fixture(autouse=True)
def no_verdicts(monkeypatch):
    monkeypatch.setattr(trial, '_verdicts', {})


def fail_with(monkeypatch, *outcomes):
    """Trials end so, one after the other."""
    left = list(outcomes)

    def find(*_):
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(trial, '_find_faults', find)
    return left


@pytest.mark.parametrize('error', [
    torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate'),
    RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling'),
    RuntimeError('Triton Error [CUDA]: out of memory'),
    MemoryError(),
    OSError(12, 'Cannot allocate memory'),
], ids=repr)
def test_no_memory_is_no_verdict(error, monkeypatch, caplog):
    fail_with(monkeypatch, error, [])
    with pytest.raises(type(error)):
        trial.judge(*KEY)
    assert trial.judge(*KEY) is None
    assert not caplog.records


def test_a_capture_is_no_verdict(monkeypatch):
    left = fail_with(monkeypatch, [])
    monkeypatch.setattr(capture, 'is_capturing', lambda: True)
    with pytest.raises(RuntimeError, match='captured, but its kernels have '
                       'not been tried on cpu with torch.float32 yet: make '):
        trial.judge(*KEY)
    assert len(left) == 1
    monkeypatch.setattr(capture, 'is_capturing', lambda: False)
    assert trial.judge(*KEY) is None
    monkeypatch.setattr(capture, 'is_capturing', lambda: True)
    assert trial.judge(*KEY) is None


@pytest.mark.parametrize('outcome, words', [
    (RuntimeError('a page of text\nptxas fatal: no such architecture'),
     'Triton does not work on cpu with torch.float32: ptxas fatal: no such'),
    (AssertionError(), 'torch.float32: AssertionError'),
    (['outputs', 'gradients of the weight'],
     'on cpu with torch.float32 its outputs, gradients of the weight differ'),
])
def test_faults_are_verdicts_that_last(outcome, words, monkeypatch, caplog):
    fail_with(monkeypatch, outcome)
    with caplog.at_level(logging.WARNING, logger='mmacda'):
        for _ in range(2):
            assert words in trial.judge(*KEY)
    warned, = caplog.messages
    assert words in warned and warned.endswith('serve instead')


def test_each_device_dtype_and_family_is_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(trial, '_find_faults',
                        lambda *key: tried.append(key) or [])
    keys = [(CPU, SINGLE, 'fma'), (CPU, torch.half, 'fma'),
            (CPU, SINGLE, 'band'), (torch.device('meta'), SINGLE, 'fma')]
    for key in keys * 2:
        assert trial.judge(*key) is None
    assert tried == keys


def test_sizes_on_a_gpu_are_those_of_layers():
    """Whole 16-byte loads of all dtypes; overlaps; phases."""
    sizes = trial.SIZES
    assert sizes.channels == 64 and sizes.atoms == 6
    assert sizes.channels * 2 % 16 == 0 and set(sizes.maps) == {1, 2}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('stride', [1, 2])
def test_rounding_is_far_from_a_fault(dtype, stride):
    """Of what cancels, half precision tells too little: none may."""
    if dtype == torch.float16 and not hasattr(torch.utils, 'deterministic'):
        pytest.skip('torch < 2.2 multiplies no float16 on a CPU')
    geometry = ConvGeometry((stride, stride), (1, 1), (1, 1), 1)
    given = trial.operands(CPU, dtype, geometry, trial.SIZES)
    exact = [tensor.double() for tensor in given]
    needs = True, True, False, True
    y, right = (stock.forward(*found, geometry) for found in (given, exact))
    dy = trial.wave(CPU, *y.shape).to(dtype)
    grads, others = (stock.backward(up, *found, geometry, needs)
                     for up, found in ((dy, given), (dy.double(), exact)))
    limit = trial.TOLERANCES.get(dtype, trial.TOLERANCE)
    for ours, theirs in zip((y, *grads), (right, *others)):
        if theirs is not None:
            assert relative_error(ours, theirs) < limit / 4


@pytest.mark.interpreted
@pytest.mark.parametrize('name, fault', [
    ('convolve', 'outputs, gradients of the input, gradients of the weight'),
    ('correlate', 'gradients of the coefficients'),
])
def test_wrong_kernels_are_found(name, fault, monkeypatch):
    from mmacda.ops.backends.triton import fma, plan

    class Wrong(fma.FmaSteps):
        """Whose results of one kernel are never written."""

    def nothing(self, *_):
        return lambda stream, *tensors: tensors[-1].zero_()

    monkeypatch.setattr(Wrong, name, nothing)
    plan._cached_plan.cache_clear()
    reason = trial.judge(CPU, SINGLE, Wrong)
    assert fault in reason and reason.startswith('on cpu with torch.float32')


@pytest.mark.interpreted
def test_a_family_at_fault_leaves_the_call_to_the_next(monkeypatch):
    from mmacda.ops.backends.triton import fma, plan

    class Faulty(fma.FmaSteps):

        def convolve(self, *_):
            raise RuntimeError('no such instruction')

    class Choosy(Faulty):

        @staticmethod
        def serves(made):
            return made.geometry.stride != (1, 1)

    monkeypatch.setattr(plan, 'FAMILIES', [Choosy, Faulty, fma.FmaSteps])
    plan._cached_plan.cache_clear()
    case = Case('call', 1, 2, 2, (2, 2), None, 1, padding=(0, 0))
    operands = case.operands(SINGLE)
    adaptive_conv2d(**operands, **case.geometry, backend='triton')
    assert 'no such instruction' in trial._verdicts[CPU, SINGLE, Faulty]
    assert (CPU, SINGLE, Choosy) not in trial._verdicts
    plan._cached_plan.cache_clear()


@pytest.mark.interpreted
def test_what_is_asked_first_is_whether_kernels_serve(monkeypatch):
    fail_with(monkeypatch, ['outputs'])
    case = Case('call')
    with pytest.raises(ValueError, match='its outputs differ from those of '
                       'the stock backend'):
        adaptive_conv2d(
            **case.operands(SINGLE), **case.geometry, backend='triton')
    assert triton.try_device(CPU, SINGLE)


@pytest.mark.parametrize('mode', [
    lambda: torch.autocast('cpu', torch.bfloat16), torch.inference_mode,
    torch.no_grad
])
@pytest.mark.parametrize('family', ['kernels', trial.GENERATED])
def test_the_verdict_does_not_depend_on_who_asks_first(family, mode,
                                                       monkeypatch):
    seen = []
    monkeypatch.setattr(
        trial, '_find_faults', lambda *_: seen.append(
            (autocast_dtype('cpu') is not None,
             torch.is_inference_mode_enabled())) or [])
    with mode():
        trial.judge(CPU, SINGLE, family)
    assert seen == [(False, False)]

"""The host's part of the Triton backend, with a stand-in for the driver."""
import threading
from collections import Counter
from importlib import util

import pytest
import torch

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends import bases as bases_module
from mmacda.ops.backends import capture, triton
from mmacda.ops.backends.fixed_bases import constant
from mmacda.testing.triton_driver import stand_in

pytestmark = pytest.mark.skipif(
    util.find_spec('triton') is None, reason='Triton is not installed')
CPU = torch.device('cpu')


@pytest.fixture
def driver():
    try:
        from triton.backends.compiler import GPUTarget  # noqa: F401
    except ImportError:
        pytest.skip('this Triton knows no other GPU')
    with stand_in() as driver:
        yield driver


@pytest.fixture
def capturing(monkeypatch):
    """As while a CUDA graph is captured; the value can be switched."""
    state = [False]
    monkeypatch.setattr(capture, 'is_capturing', lambda: state[0])
    return state


def layer(channels=4, side=4, channels_last=True, out_channels=None):
    """Operands of the paper's kind, all of which need a gradient."""
    bases = constant(fourier_bessel_bases().numpy(), CPU, torch.float32)
    layout = dict(memory_format=torch.channels_last) if channels_last else {}
    out_channels = out_channels or channels
    x = torch.rand(2, channels, side, side).contiguous(**layout)
    return dict(
        input=x.requires_grad_(),
        basis_coefficients=torch.rand(
            2, 6, len(bases), side, side, requires_grad=True),
        atom_bases=bases,
        weight=torch.rand(out_channels, channels * 6, 1, 1,
                          requires_grad=True),
        bias=torch.rand(out_channels, requires_grad=True),
        padding=3)


def call(given):
    return adaptive_conv2d(**given, backend='triton')


def differentiate(output, given):
    leaves = [v for v in given.values()
              if isinstance(v, torch.Tensor) and v.requires_grad]
    return torch.autograd.grad(output, leaves, torch.ones_like(output))


class Operators(torch.utils._python_dispatch.TorchDispatchMode):
    """Names of PyTorch's operators that launch kernels of theirs."""

    free = ('view', 'permute', 'as_strided', 'transpose', 'detach',
            'empty', 'expand', 'alias', 'select', 'slice', 'unsqueeze',
            '_unsafe_view', 'squeeze', 'record_stream')

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()[len('aten::'):]
        if name != 't' and not name.startswith(self.free):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('channels_last', [True, False])
def test_forward_is_three_launches(driver, channels_last):
    """And a copy of maps that are not channels-last."""
    given = layer(channels_last=channels_last)
    given = {k: v.detach() if isinstance(v, torch.Tensor) else v
             for k, v in given.items()}
    bias = given.pop('bias')
    arguments = [given[name] for name in ('input', 'basis_coefficients',
                                          'atom_bases', 'weight')]
    from mmacda.ops.geometry import ConvGeometry
    geometry = ConvGeometry.checked(1, 3, 1, 1)
    triton.forward(*arguments, geometry, bias)
    driver.launched.clear()
    with Operators() as seen:
        triton.forward(*arguments, geometry, bias)
    assert driver.launched == ['compose', 'convolve']
    assert seen.names == ([] if channels_last else ['clone']) + ['addmm.out']
    driver.launched.clear()
    with Operators() as seen:
        dy = torch.empty(2, 4, 4, 4).permute(0, 3, 1, 2)
        triton.backward(dy, *arguments, geometry, (True, True, False, True))
    assert driver.launched == ['compose', 'convolve', 'convolve',
                               'correlate', 'decompose']
    # Of the input, of the weight, of Z; then the weight's as it is stored.
    assert seen.names == ([] if channels_last else ['clone']) + [
        'mm.out', 'mm', 'mm.out', 'clone']


def test_a_plan_is_made_once(driver, monkeypatch):
    (plan, *_), _ = triton._load()
    given, made = layer(), []
    make = plan.Plan.__init__

    def count(self, *arguments):
        made.append(1)
        make(self, *arguments)

    monkeypatch.setattr(plan.Plan, '__init__', count)
    for _ in range(3):
        differentiate(call(given), given)
    assert len(made) == 1
    call(layer(side=5))
    assert len(made) == 2


def test_later_launches_take_the_direct_way(driver, monkeypatch):
    given = layer()
    for _ in range(2):
        differentiate(call(given), given)
    from triton.backends.nvidia.driver import CudaLauncher
    from triton.compiler import CompiledKernel
    from triton.runtime.jit import JITFunction
    monkeypatch.setattr(JITFunction, 'run', None)
    for name in ('__getitem__', 'launch_metadata'):
        monkeypatch.setattr(CompiledKernel, name, None)
    monkeypatch.setattr(CudaLauncher, '__call__', None)
    driver.launched.clear()
    differentiate(call(given), given)
    assert len(driver.launched) == 7


def test_hooks_are_told_of_launches(driver):
    """As Proton sets them, after the first calls."""
    from triton import knobs
    chain = knobs.runtime.launch_enter_hook
    if not hasattr(chain, 'add'):
        pytest.skip('this Triton has no chains of hooks')
    given, told = layer(), []

    def tell(metadata):
        told.append(metadata.get()['name'])

    with torch.no_grad():
        for _ in range(2):
            call(given)
        chain.add(tell)
        try:
            call(given)
        finally:
            chain.remove(tell)
        call(given)
    assert told == ['compose', 'convolve']
    assert driver.launched == told * 4


def test_memory_that_a_launcher_takes_is_not_kept(driver):
    from mmacda.ops.backends.triton import kernels
    from mmacda.ops.backends.triton.direct import find_direct
    call(layer())
    compiled, = kernels.convolve.device_caches[0][0].values()
    found = find_direct(compiled, (5, 6, 7))
    assert found.before[:3] == (5, 6, 7)
    assert compiled.function in found.before + found.after
    compiled.run.global_scratch_size = 64
    assert find_direct(compiled, (5, 6, 7)) is None


def test_unaligned_memory_has_kernels_of_its_own(driver, monkeypatch):
    given = layer()
    call(given)
    whole = torch.rand(given['input'].numel() + 1)
    x = whole[1:].view(2, 4, 4, 4).permute(0, 3, 1, 2)
    assert x.data_ptr() % 16 and x.stride() == given['input'].stride()
    from mmacda.ops.backends.triton import kernels
    compiled = kernels.convolve.device_caches[0][0]
    assert len(compiled) == 1
    call(dict(given, input=x))
    assert len(compiled) == 2
    from triton.runtime.jit import JITFunction
    monkeypatch.setattr(JITFunction, 'run', None)
    driver.launched.clear()
    for operand in (given['input'], x):
        call(dict(given, input=operand))
    assert driver.launched == ['compose', 'convolve'] * 2


@pytest.fixture
def single_rows(monkeypatch):
    """A tiny workspace splits maps into single rows."""
    (plan, *_), _ = triton._load()
    monkeypatch.setattr(plan, 'WORKSPACE_BYTES', (1, 1))
    return monkeypatch


def backward_launches(driver, given):
    """Names of a backward's kernels, each with its number."""
    output = call(given)
    driver.launched.clear()
    differentiate(output, given)
    return Counter(driver.launched)


def test_atoms_of_all_chunks_are_composed_once(driver, single_rows):
    rows = 2 * 4
    assert backward_launches(driver, layer()) == dict(
        compose=1, convolve=2 * rows, correlate=rows, decompose=rows)


def test_atoms_that_do_not_fit_are_composed_by_chunk(driver, single_rows):
    from mmacda.ops.backends.triton import backward_pass
    rows, bytes_per_pixel = 2 * 4, 4 * 8 * 37  # float32, atoms, live taps
    for limit, times in ((rows * 4 * bytes_per_pixel, 1),
                         (rows * 4 * bytes_per_pixel - 1, 2 * rows)):
        single_rows.setattr(backward_pass, 'ATOMS_BYTES', limit)
        triton._load()[0][0]._cached_plan.cache_clear()
        found = backward_launches(driver, layer())
        assert found['compose'] == times
        assert found['order'] == (times > 1)


def test_direct_atoms_of_chunks_are_not_composed(driver, single_rows):
    given = layer()
    given.update(atom_bases=None, basis_coefficients=torch.rand(
        2, 6, 49, 4, 4, requires_grad=True))
    rows = 2 * 4
    assert backward_launches(driver, given) == dict(
        order=1, convolve=2 * rows, correlate=rows)


def test_a_launcher_of_another_triton(driver):
    """Whose compiled kernels take other arguments."""
    from mmacda.ops.backends.triton.launch import Launch

    class Compiled:
        def __getitem__(self, grid):
            return self.refuse

        def refuse(self, *arguments, stream):
            raise TypeError('takes 3 arguments')

    class Kernel:
        params, launched = (), []

        def __getitem__(self, grid):
            return lambda *_, **__: self.launched.append(grid) or Compiled()

    launch = Launch(Kernel(), (2, 3), (), 1)
    for _ in range(3):
        launch(None, torch.empty(4))
    assert Kernel.launched == [(2, 3, 1)] * 3


@pytest.mark.parametrize('side', [7, 14])
def test_small_maps_are_one_chunk(driver, side):
    (plan, forward, backward), _ = triton._load()
    from mmacda.ops.geometry import ConvGeometry
    made = plan.Plan((64, side, side, 256),
                     (side * side * 256, side * 256, 256, 1),
                     (64, 6, 18, side, side),
                     (108 * side * side, 18 * side * side, side * side, side,
                      1), 256, torch.bfloat16, CPU,
                     ConvGeometry.checked(1, 3, 1, 1),
                     bases_module.describe(fourier_bessel_bases(), 18), False,
                     None)
    assert made.a_pass(forward).is_whole
    assert made.a_pass(backward, True, True, True).is_whole


def test_a_capture_needs_what_was_made_before(driver, capturing):
    given = layer(side=6)
    capturing[0] = True
    with pytest.raises(RuntimeError, match='mmacda.ops.warm_up'):
        call(given)
    capturing[0] = False
    from mmacda.ops import warm_up
    warm_up(**given, backend='triton')
    capturing[0] = True
    driver.launched.clear()
    differentiate(call(given), given)
    assert len(driver.launched) == 7
    with pytest.raises(RuntimeError, match='no call like this one'):
        call(layer(side=7))
    with pytest.raises(RuntimeError, match='precede'):
        warm_up(**given, backend='triton')


def test_a_capture_of_the_fused_kernels(driver, capturing):
    given = dict(layer(), backend='triton_fused')
    with torch.no_grad():
        adaptive_conv2d(**given)
        capturing[0] = True
        driver.launched.clear()
        adaptive_conv2d(**given)
    assert 'convolve_fused' in driver.launched


def test_a_capture_refuses_what_is_not_compiled(driver, capturing):
    """The same plan, with memory that is aligned otherwise."""
    given = layer()
    with torch.no_grad():
        call(given)
        capturing[0] = True
        call(given)
        x = torch.rand(given['input'].numel() + 1)[1:]
        x = x.view(2, 4, 4, 4).permute(0, 3, 1, 2)
        with pytest.raises(RuntimeError, match='have not been compiled yet'):
            call(dict(given, input=x))


def test_no_call_reads_the_bases(driver, monkeypatch):
    """As DataParallel, DDP and graphs need it."""
    given, read = layer(), bases_module._content
    call(given)
    found = []
    monkeypatch.setattr(bases_module, '_content',
                        lambda tensor: found.append(1) or read(tensor))
    differentiate(call(given), given)
    assert not found


def test_two_threads_at_once(driver):
    """Both first calls compile; each has results of its own."""
    givens, failures = [layer(side=n % 2 + 4) for n in range(6)], []

    def run(given):
        try:
            for _ in range(5):
                differentiate(call(given), given)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(g, )) for g in givens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(driver.launched) == 6 * 5 * 7


class OnGpu:
    """A tensor on a GPU, as far as constants look at it."""
    is_cuda, device = True, torch.device('cuda', 0)

    def __init__(self):
        self.streams = []

    def record_stream(self, stream):
        self.streams.append(stream.cuda_stream)


class Stream:
    def __init__(self, cuda_stream):
        self.cuda_stream = cuda_stream


@pytest.fixture
def streams(monkeypatch):
    """What PyTorch says of the current stream: its handle, capturing."""
    state = dict(current=1, captured=False)
    monkeypatch.setattr(torch.cuda, 'current_stream',
                        lambda device=None: Stream(state['current']))
    monkeypatch.setattr(capture, '_raw_stream',
                        lambda index: state['current'])
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing',
                        lambda: state['captured'])
    monkeypatch.setattr(capture, '_captured', [])
    return state


def test_constants_outlive_every_stream_that_reads_them(streams):
    tensor = OnGpu()
    constants = capture.Constants([tensor])
    for current in (1, 1, 2, 1, 2):
        streams['current'] = current
        assert constants.use() == current
    assert tensor.streams == [1, 2]
    assert not capture._captured


def test_constants_outlive_every_graph_that_holds_them(streams):
    tensor = OnGpu()
    constants = capture.Constants([tensor])
    streams['captured'] = True
    for _ in range(2):
        constants.use()
    streams['captured'] = False
    constants.use()
    del constants
    assert capture._captured == [[tensor]] and not tensor.streams


def test_constants_are_complete_before_anyone_gets_them(monkeypatch):
    """Copied by a thread that waits for the copy, on no caller's stream."""
    from mmacda.ops.backends.triton import taps
    makers = []
    monkeypatch.setattr(
        taps, 'make', lambda *arguments: makers.append(
            (threading.current_thread(), arguments)) or
        bases_module.make(*arguments))
    table = taps.to_device.__wrapped__(((0, 1, 2), (3, 4, 5)), CPU)
    assert table.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert table.is_contiguous() and table.dtype == torch.int32
    assert makers[0][0] is not threading.current_thread()


def test_capturing_is_asked_of_pytorch(monkeypatch):
    assert not capture.is_capturing()
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing',
                        lambda: True)
    assert capture.is_capturing()
    with pytest.raises(RuntimeError, match='captured, but the sky is blue: '):
        capture.refuse_capture('the sky is blue')

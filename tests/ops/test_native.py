"""The C backend: its results, its threads, and what it may share."""
import itertools
import shutil
import threading

import pytest
import torch

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends import native
from mmacda.ops.backends.native import plan as plan_module
from mmacda.ops.geometry import ConvGeometry

needs_library = pytest.mark.skipif(
    shutil.which('cc') is None and shutil.which('gcc') is None,
    reason='needs a C compiler')


def make_case(batch=2, channels=17, out_channels=9, size=(19, 37), kernel=7,
              stride=1, padding=3, dilation=1, groups=1, atoms=6,
              direct=False):
    """Leaf tensors, bases and geometry of one call."""
    generator = torch.Generator().manual_seed(0)
    bases = None if direct else fourier_bessel_bases(
        tuple(range(3, kernel + 1, 2)), 6).float()
    count = kernel**2 if direct else len(bases)
    geometry = ConvGeometry.checked(stride, padding, dilation, groups)
    out_size = geometry.output_size(size, kernel)
    shapes = ((batch, channels, *size), (batch, atoms, count, *out_size),
              (out_channels, channels // groups * atoms, 1, 1))
    tensors = [torch.randn(s, generator=generator) for s in shapes]
    return [t.requires_grad_() for t in tensors], bases, geometry


def run(tensors, bases, geometry, backend='native'):
    """Output and gradients of input, coefficients and weight."""
    output = adaptive_conv2d(
        tensors[0], tensors[1], bases, tensors[2], None, *geometry,
        backend=backend)
    upstream = torch.linspace(-1, 1, output.numel()).view(output.shape)
    upstream = upstream.to(output.dtype)
    return [output, *torch.autograd.grad(output, tensors, upstream)]


def exact(tensors, bases, geometry):
    """The same in float64, by the reference."""
    doubles = [t.detach().double().requires_grad_() for t in tensors]
    return run(doubles, bases, geometry, 'reference')


def assert_near(results, expected):
    for ours, theirs in zip(results, expected):
        assert ours.shape == theirs.shape
        scale = theirs.abs().max().item()
        torch.testing.assert_close(
            ours.double(), theirs, rtol=0, atol=2e-6 * scale)


@pytest.fixture
def nan_memory():
    """torch.empty gives NaN, so that an unwritten cell cannot pass."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@needs_library
@pytest.mark.parametrize('options', [
    dict(),
    dict(size=(5, 300), batch=1, channels=3),
    dict(size=(1, 1), batch=33),
    dict(size=(45, 2), kernel=5, padding=(1, 2), dilation=(2, 1)),
    dict(size=(50, 9), kernel=3, padding=(0, 2), stride=(1, 2), groups=17,
         out_channels=17),
    dict(size=(14, 13), stride=2, groups=17, out_channels=34),
    dict(kernel=5, padding=5, dilation=2, atoms=1),
    dict(kernel=3, padding=0, stride=3, dilation=3, atoms=7),
    dict(kernel=9, padding=4, size=(9, 10), atoms=2),
    dict(kernel=5, padding=2, direct=True, atoms=5, out_channels=70),
    dict(channels=40, out_channels=24, groups=2, size=(30, 29)),
], ids=str)
def test_output_and_gradients(options, nan_memory):
    tensors, bases, geometry = make_case(**options)
    assert_near(
        run(tensors, bases, geometry), exact(tensors, bases, geometry))


@needs_library
def test_any_memory_format(nan_memory):
    tensors, bases, geometry = make_case(channels=18)
    x, alpha, weight = (t.detach() for t in tensors)
    expected = exact(tensors, bases, geometry)
    last = torch.channels_last
    alpha_last = alpha.flatten(1, 2).to(memory_format=last).view(alpha.shape)
    wide = torch.zeros(*x.shape[:3], 2 * x.shape[3])
    wide[..., ::2] = x
    variants = [(x.to(memory_format=last), alpha_last, weight),
                (wide[..., ::2], alpha.transpose(3, 4).contiguous().transpose(
                    3, 4), weight)]
    for variant in variants:
        leaves = [t.requires_grad_() for t in variant]
        assert_near(run(leaves, bases, geometry), expected)
    assert run(variants[0], bases,
               geometry)[0].is_contiguous(memory_format=last)
    assert run(tensors, bases, geometry)[0].is_contiguous()


@needs_library
def test_an_expanded_gradient():
    tensors, bases, geometry = make_case()
    output = adaptive_conv2d(tensors[0], tensors[1], bases, tensors[2], None,
                             *geometry, backend='native')
    ours = torch.autograd.grad(output.sum(), tensors)
    theirs = adaptive_conv2d(*(t.double() for t in tensors[:2]), bases,
                             tensors[2].double(), None, *geometry,
                             backend='reference')
    assert_near(ours, [
        g.double() for g in torch.autograd.grad(theirs.sum(), tensors)
    ])


@needs_library
def test_gradients_only_where_needed():
    tensors, bases, geometry = make_case(size=(9, 8))
    x, alpha, weight = (t.detach() for t in tensors)
    output, *full = run(tensors, bases, geometry)
    upstream = torch.linspace(-1, 1, output.numel()).view(output.shape)
    for needs in itertools.product((False, True), repeat=3):
        grads = native.backward(upstream, x, alpha, bases, weight, geometry,
                                (needs[0], needs[1], False, needs[2]))
        assert grads[2] is None
        for need, grad, expected in zip(needs, grads[:2] + grads[3:], full):
            assert torch.equal(grad, expected) if need else grad is None


@needs_library
def test_changed_bases_are_noticed():
    tensors, bases, geometry = make_case(size=(6, 7))
    once = run(tensors, bases, geometry)[0]
    bases.mul_(2)
    torch.testing.assert_close(run(tensors, bases, geometry)[0], 2 * once)


@needs_library
def test_thread_count_does_not_change_a_bit(monkeypatch):
    tensors, bases, geometry = make_case(channels=40, size=(40, 41))
    before = torch.get_num_threads()
    results = []
    try:
        for threads, own_threads in ((1, False), (2, False), (3, True)):
            if own_threads:  # as after a fork: not those of PyTorch
                without = native.library()[0], None
                monkeypatch.setattr(native, 'library', lambda w=without: w)
            torch.set_num_threads(threads)
            results.append(run(tensors, bases, geometry))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@needs_library
def test_what_a_thread_keeps_between_calls_is_not_read():
    tensors, bases, geometry = make_case(channels=20, size=(30, 31))
    expected = run(tensors, bases, geometry)
    kept = plan_module._of_thread.memory
    kept.fill_(float('nan'))
    assert all(map(torch.equal, run(tensors, bases, geometry), expected))
    assert plan_module._of_thread.memory is kept


@needs_library
def test_large_memory_is_handed_back(monkeypatch):
    tensors, bases, geometry = make_case(channels=20, size=(30, 31))
    expected = run(tensors, bases, geometry)
    monkeypatch.setattr(plan_module, 'MOST_KEPT', 0)
    plan_module._of_thread.memory = None
    assert all(map(torch.equal, run(tensors, bases, geometry), expected))
    assert plan_module._of_thread.memory is None


@needs_library
def test_many_callers_at_once():
    tensors, bases, geometry = make_case(channels=32, size=(32, 32))
    expected = run(tensors, bases, geometry)
    results = []

    def call():
        for _ in range(3):
            results.append(run(tensors, bases, geometry))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 12
    for result in results:
        assert all(map(torch.equal, expected, result))


class CallingDataset(torch.utils.data.Dataset):

    def __init__(self, tensors, bases, geometry):
        self.arguments = (tensors[0].detach(), tensors[1].detach(), bases,
                          tensors[2].detach(), None, *geometry)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        torch.set_num_threads(2)  # a worker starts with one
        return adaptive_conv2d(*self.arguments, backend='native')


@needs_library
def test_after_fork():
    tensors, bases, geometry = make_case(channels=32, size=(32, 32))
    expected = run(tensors, bases, geometry)[0]  # wakes the parent's threads
    loader = torch.utils.data.DataLoader(
        CallingDataset(tensors, bases, geometry), batch_size=None,
        num_workers=2, multiprocessing_context='fork', timeout=60)
    outputs = list(loader)
    assert len(outputs) == 4
    assert all(torch.equal(output, expected) for output in outputs)


def test_reasons(monkeypatch):
    tensors, bases, geometry = make_case(size=(5, 5))

    def reason(x=tensors[0]):
        return native.can_run(x, tensors[1], bases, tensors[2], geometry)

    assert 'float64' in reason(x=tensors[0].double())
    assert 'empty' in reason(x=tensors[0][:0])
    monkeypatch.setenv('MMACDA_NATIVE', '0')
    assert 'MMACDA_NATIVE=0' in reason()
    with pytest.raises(ValueError, match='MMACDA_NATIVE=0'):
        run(tensors, bases, geometry, 'native')
    assert_near(
        run(tensors, bases, geometry, None), exact(tensors, bases, geometry))

"""What records, replaces or transforms a call never changes its meaning."""
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmacda.layers import ACDAConv
from mmacda.ops import (adaptive_conv2d, fourier_bessel_bases,
                        registered_op)
from mmacda.ops.backends import native, stock, triton
from mmacda.ops.geometry import ConvGeometry
from mmacda.ops.tracing import find_obstacle

needs_operator = pytest.mark.skipif(
    not registered_op.AVAILABLE, reason='needs torch 2.4')
GEOMETRY = ConvGeometry((1, 1), (1, 1), (1, 1), 1)


def make_tensors():
    generator = torch.Generator().manual_seed(0)
    x, alpha, weight = (torch.randn(s, generator=generator) for s in (
        (2, 4, 6, 7), (2, 3, 6, 6, 7), (5, 12, 1, 1)))
    return x, alpha, fourier_bessel_bases((3, ), 6).float(), weight


@pytest.fixture
def tensors():
    return make_tensors()


def call(x, alpha, bases, weight, backend=None):
    return adaptive_conv2d(x, alpha, bases, weight, padding=1,
                           backend=backend)


def near(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@needs_operator
@pytest.mark.parametrize('mode', ['real', 'fake', 'symbolic'])
@pytest.mark.parametrize('grad', [False, True])
def test_make_fx_records_the_operator(mode, grad, tensors):
    from torch.fx.experimental.proxy_tensor import make_fx
    with torch.set_grad_enabled(grad):
        graph = make_fx(lambda *t: call(*t), tracing_mode=mode)(*tensors)
    targets = [str(node.target) for node in graph.graph.nodes]
    assert 'mmacda.adaptive_conv2d.default' in targets
    others = [torch.rand_like(tensors[0]), *tensors[1:]]
    near(graph(*others), call(*others))


def test_make_fx_without_the_operator(tensors, monkeypatch):
    """As with torch 2.1 to 2.3."""
    from torch.fx.experimental.proxy_tensor import make_fx
    monkeypatch.setattr(registered_op, 'AVAILABLE', False)
    graph = make_fx(lambda *t: call(*t))(*tensors)
    others = [torch.rand_like(tensors[0]), *tensors[1:]]
    near(graph(*others), call(*others))
    with pytest.raises(ValueError, match='dispatch mode'):
        make_fx(lambda *t: call(*t, 'native'))(*tensors)


@needs_operator
@pytest.mark.parametrize('backend', [None, 'native', 'stock', 'reference'])
def test_make_fx_of_a_gradient(backend, tensors):
    from torch.fx.experimental.proxy_tensor import make_fx

    def gradient(x, *others):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(
            call(x, *others, backend).square().sum(), x)[0]

    graph = make_fx(gradient)(*tensors)
    others = [torch.rand_like(tensors[0]), *tensors[1:]]
    near(graph(*others), gradient(*others))


@needs_operator
def test_make_fx_of_a_backward_alone(tensors):
    from torch.fx.experimental.proxy_tensor import make_fx
    x = tensors[0].clone().requires_grad_()
    y = call(x, *tensors[1:])

    def gradient(grad_y):
        return torch.autograd.grad(y, x, grad_y, retain_graph=True)[0]

    graph = make_fx(gradient)(torch.rand_like(y))
    grad_y = torch.rand_like(y)
    near(graph(grad_y), gradient(grad_y))


@needs_operator
@pytest.mark.parametrize('inside', [False, True])
@pytest.mark.parametrize('size', [9, 90])
def test_fake_inputs(inside, size):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    x = mode.from_tensor(torch.rand(2, 8, size, size))
    for layer in nn.Conv2d(8, 6, 3), ACDAConv(8, 6, 3).eval():
        if inside:
            with mode:
                y = layer(x)
        else:
            y = layer(x)
        assert isinstance(y, FakeTensor)
        assert y.shape == (2, 6, size - 2, size - 2)


@needs_operator
@pytest.mark.parametrize('size', [9, 90])
def test_meta_device(size):
    layer = ACDAConv(8, 6, 3).to('meta')
    y = layer(torch.empty(2, 8, size, size, device='meta'))
    assert y.is_meta and y.shape == (2, 6, size - 2, size - 2)
    y.sum().backward()
    assert layer.weight.grad.is_meta


class Watch(TorchDispatchMode):

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@needs_operator
def test_a_dispatch_mode_sees_forward_and_backward(tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    expected = torch.autograd.grad(call(*leaves).square().sum(), leaves)
    with Watch() as watch:
        grads = torch.autograd.grad(call(*leaves).square().sum(), leaves)
    assert 'mmacda.adaptive_conv2d.default' in watch.names
    assert 'mmacda.adaptive_conv2d_backward.default' in watch.names
    for ours, theirs in zip(grads, expected):
        near(ours, theirs)


class Named(torch.Tensor):
    """A subclass with memory of its own."""


def test_a_subclass_keeps_its_type_as_through_conv2d(tensors):
    x = tensors[0].as_subclass(Named)
    assert type(nn.Conv2d(4, 5, 3)(x)) is Named
    y = call(x, *tensors[1:])
    assert type(y) is Named
    near(y.as_subclass(torch.Tensor), call(*tensors))
    assert type(ACDAConv(4, 5, 3)(x)) is Named


class Wrapped(torch.Tensor):
    """A subclass without memory: it hands on what it wraps."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, strides=inner.stride())

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        args = [a.inner if isinstance(a, cls) else a for a in args]
        return cls(function(*args, **(kwargs or {})))


@needs_operator
@pytest.mark.parametrize('wrapped', range(4))
def test_a_subclass_without_memory(wrapped, tensors):
    given = [Wrapped(t) if n == wrapped else t for n, t in enumerate(tensors)]
    with torch.no_grad():
        y = call(*given)
    assert type(y) is Wrapped
    near(y.inner, call(*tensors))


@pytest.mark.parametrize('backend', [None, 'native', 'stock'])
@pytest.mark.parametrize('negated', range(4))
def test_lazily_negated_tensors(negated, backend, tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    given = [torch._neg_view(t) if n == negated else t
             for n, t in enumerate(leaves)]
    plain = [-t if n == negated else t for n, t in enumerate(leaves)]
    y, expected = call(*given, backend), call(*plain, 'reference')
    near(y, expected)
    grad = torch._neg_view(torch.rand_like(y))
    assert grad.is_neg()
    for ours, theirs in zip(torch.autograd.grad(y, leaves, grad),
                            torch.autograd.grad(expected, leaves, grad)):
        near(ours, theirs)


@pytest.mark.parametrize('make', [
    lambda t: t.to_sparse(), lambda t: t.to_mkldnn(),
    lambda t: t.flatten(1).to_sparse_csr()
], ids=['sparse', 'mkldnn', 'csr'])
def test_other_layouts_are_refused(make, tensors):
    if not torch.backends.mkldnn.is_available():
        pytest.skip('needs MKL-DNN')
    with pytest.raises(TypeError, match=r'input must be a dense .*to_dense'):
        call(make(tensors[0]), *tensors[1:])


@pytest.mark.parametrize('module', [native, stock, triton],
                         ids=lambda m: m.__name__.split('.')[-1])
def test_no_backend_reads_memory_that_is_not_there(module, tensors,
                                                   monkeypatch):
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    replaced = dict(
        wrapped=Wrapped,
        negated=torch._neg_view,
        sparse=torch.Tensor.to_sparse)
    for name, replace in replaced.items():
        for n in range(4):
            given = [replace(t) if n == i else t
                     for i, t in enumerate(tensors)]
            assert find_obstacle(*given), (name, n)
            assert module.can_run(*given, GEOMETRY), (name, n)
    assert find_obstacle(*tensors) is None
    with Watch():
        assert module.can_run(*tensors, GEOMETRY)


def test_null_pointers_do_not_reach_c(tensors):
    x = torch._to_functional_tensor(tensors[0])
    with pytest.raises(RuntimeError, match='memory'):
        native.forward(x, *tensors[1:], GEOMETRY)
    freed = tensors[0].clone()
    freed.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match='memory'):
        native.forward(freed, *tensors[1:], GEOMETRY)


@needs_operator
def test_aot_autograd_of_a_layer():
    """Its bases are no parameter that AOTAutograd would make functional."""
    from functorch.compile import aot_module, nop
    layer = ACDAConv(4, 4, 3, padding=1).eval()
    recorded = aot_module(layer, fw_compiler=nop, bw_compiler=nop)
    grads = []
    for module in (layer, recorded):
        x = make_tensors()[0].requires_grad_()
        module(x).square().sum().backward()
        grads.append(x.grad)
    near(*grads)


@pytest.mark.filterwarnings('error::torch.jit.TracerWarning')
@pytest.mark.filterwarnings('ignore:.*deprecated')
@pytest.mark.parametrize('exporting', [False, True])
@pytest.mark.parametrize('bases', ['given', 'direct'])
def test_torchscript_s_tracer_finds_nothing_to_warn_of(
        exporting, bases, tensors, monkeypatch):
    """Kernel sizes are no input's: to take them for constants is right."""
    monkeypatch.setattr(torch.onnx, 'is_in_onnx_export', lambda: exporting)
    x, alpha, psi, weight = tensors
    if bases == 'direct':
        alpha, psi = torch.rand(2, 3, 9, 6, 7), None

    def composed(*given):
        return call(given[0], given[1], psi, weight)

    traced = torch.jit.trace(composed, (x, alpha), check_trace=False)
    near(traced(x, alpha), composed(x, alpha))

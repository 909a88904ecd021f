"""What records, replaces or differentiates twice, of coefficients on the fly.

An operator that makes its own coefficients reads memory no operator of
PyTorch's sees: whoever looks on is served the plain way, or told why not.
"""
import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from mmacda.layers import ACDAConv, on_the_fly
from mmacda.layers.on_the_fly import why_plain_now
from mmacda.ops import (Generator, adaptive_conv2d, adaptive_conv2d_generated,
                        fourier_bessel_bases)
from mmacda.ops.backends import native

from .test_tracing import Named, Watch, Wrapped, near, needs_operator

BASES = fourier_bessel_bases((3, ), 6).float()


@pytest.fixture(autouse=True)
def no_map_is_small(monkeypatch):
    monkeypatch.setattr(on_the_fly, 'LEAST_TRAINED_VALUES', 0)


def make_tensors():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=generator) for s in (
        (2, 4, 6, 7), (2, 5, 6, 7), (18, 6), (5, 12, 1, 1))]


@pytest.fixture
def tensors():
    return make_tensors()


def call(x, hidden, matrix, weight, backend=None, bases=BASES):
    return adaptive_conv2d_generated(
        x, hidden, Generator(matrix, 3), bases, weight, padding=1,
        backend=backend)


def define(x, hidden, matrix, weight):
    return adaptive_conv2d(
        x, Generator(matrix, 3).coefficients(hidden), BASES, weight,
        padding=1, backend='reference')


@pytest.fixture
def make_layer():
    torch.manual_seed(0)
    return ACDAConv(4, 5, 3, padding=1, atom_generator=dict(kernel_size=1))


@needs_operator
@pytest.mark.parametrize('mode', ['real', 'fake', 'symbolic'])
@pytest.mark.parametrize('grad', [False, True])
def test_make_fx_records_the_operator(mode, grad, tensors):
    from torch.fx.experimental.proxy_tensor import make_fx
    with torch.set_grad_enabled(grad):
        graph = make_fx(lambda bases, *t: call(*t, bases=bases),
                        tracing_mode=mode)(BASES, *tensors)
    assert 'mmacda.adaptive_conv2d.default' in [
        str(node.target) for node in graph.graph.nodes]
    others = [torch.rand_like(t) for t in tensors]
    near(graph(BASES, *others), define(*others))


@needs_operator
def test_make_fx_of_a_backward_alone(tensors):
    from torch.fx.experimental.proxy_tensor import make_fx
    leaves = [t.requires_grad_() for t in tensors]
    y, expected = call(*leaves), define(*leaves)
    graph = make_fx(lambda grad: torch.autograd.grad(
        y, leaves, grad, retain_graph=True))(torch.rand_like(y))
    grad = torch.rand_like(y)
    for ours, theirs in zip(graph(grad),
                            torch.autograd.grad(expected, leaves, grad)):
        near(ours, theirs)


@needs_operator
@pytest.mark.parametrize('layer', [False, True], ids=['operator', 'layer'])
def test_a_dispatch_mode_sees_forward_and_backward(layer, tensors,
                                                   make_layer):
    function = make_layer if layer else call
    given = tensors[:1] if layer else tensors
    leaves = [t.requires_grad_() for t in given]
    expected = torch.autograd.grad(function(*leaves).square().sum(), leaves)
    with Watch() as watch:
        y = function(*leaves)
        grads = torch.autograd.grad(y.square().sum(), leaves)
    assert 'mmacda.adaptive_conv2d.default' in watch.names
    assert 'mmacda.adaptive_conv2d_backward.default' in watch.names
    for ours, theirs in zip(grads, expected):
        near(ours, theirs)
    with Watch() as watch:  # of a forward that nobody watched
        function(*leaves)
    y = function(*leaves).square().sum()
    with Watch() as watch:
        grads = torch.autograd.grad(y, leaves)
    assert 'mmacda.adaptive_conv2d_backward.default' in watch.names
    for ours, theirs in zip(grads, expected):
        near(ours, theirs)


@needs_operator
def test_fake_and_meta_tensors(tensors, make_layer):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes = [mode.from_tensor(t) for t in tensors]
    assert isinstance(call(*fakes), FakeTensor)
    assert isinstance(make_layer(fakes[0]), FakeTensor)
    for n, fake in enumerate(fakes):  # one alone is enough
        with mode:
            assert isinstance(call(*(fake if i == n else t for i, t in
                                     enumerate(tensors))), FakeTensor)
    metas = [t.to('meta').requires_grad_() for t in tensors]
    layer = make_layer.to('meta')
    y = adaptive_conv2d_generated(
        *metas[:2], Generator(metas[2], 3), BASES.to('meta'), metas[3],
        padding=1)
    assert y.is_meta
    y.sum().backward()
    assert all(t.grad.is_meta for t in metas)
    y = layer(metas[0])
    y.sum().backward()
    assert layer.weight.grad.is_meta


@needs_operator
@pytest.mark.parametrize('wrapped', range(4))
def test_a_subclass_without_memory(wrapped, tensors):
    given = [Wrapped(t) if n == wrapped else t for n, t in enumerate(tensors)]
    with torch.no_grad():
        y = call(*given)
    assert type(y) is Wrapped
    near(y.inner, call(*tensors))


def test_a_subclass_keeps_its_type(tensors, make_layer):
    x = tensors[0].as_subclass(Named)
    assert type(call(x, *tensors[1:])) is Named
    assert type(call(*tensors[:2], tensors[2].as_subclass(Named),
                     tensors[3])) is Named
    assert type(make_layer(x)) is Named


def test_symbolic_trace_keeps_the_operator(tensors):
    class Root(torch.nn.Module):

        def forward(self, x, hidden, matrix, weight):
            return call(x, hidden, matrix, weight)

    graph = torch.fx.symbolic_trace(Root())
    assert adaptive_conv2d_generated in [n.target for n in graph.graph.nodes]
    near(graph(*tensors), define(*tensors))


def test_forward_mode_and_transforms(tensors):
    x, *others = tensors
    tangent = torch.rand_like(x)
    with forward_ad.dual_level():
        y = call(forward_ad.make_dual(x, tangent), *others)
        near(forward_ad.unpack_dual(y).tangent, define(tangent, *others))
    given, along = tuple(tensors), tuple(torch.rand_like(t) for t in tensors)
    near(torch.func.jvp(call, given, along)[1],
         torch.func.jvp(define, given, along)[1])
    for ours, theirs in zip(*(torch.func.jacrev(
            lambda *t, f=function: f(*t).sum((0, 2, 3)), (0, 1, 2, 3))(*given)
            for function in (call, define))):
        near(ours, theirs)
    near(torch.vmap(lambda x, h: call(x[None], h[None], *others[1:])[0])(
        *tensors[:2]), define(*tensors))


def test_the_layer_under_transforms(tensors, make_layer):
    layer = make_layer.eval()
    parameters = {n: p.detach() for n, p in layer.named_parameters()}

    def loss(parameters, x):
        y = torch.func.functional_call(layer, parameters, (x[None], ))
        return y.square().sum()

    grads = torch.vmap(torch.func.grad(loss), (None, 0))(parameters,
                                                         tensors[0])
    layer(tensors[0]).square().sum().backward()
    for name, parameter in layer.named_parameters():
        near(grads[name].sum(0), parameter.grad)


@needs_operator
def test_parameters_that_stand_for_something_else(tensors):
    layer = ACDAConv(4, 5, 3, padding=1, atom_generator=dict(
        kernel_size=1, norm_cfg=None))
    for name, parameter in list(layer.named_parameters()):
        wrapped = {name: Wrapped(parameter.detach())}
        with torch.no_grad():
            y = torch.func.functional_call(layer, wrapped, (tensors[0], ))
        assert type(y) is Wrapped, name
        near(y.inner, layer(tensors[0]))


@pytest.mark.parametrize('backend', [None, 'native'])
@pytest.mark.parametrize('linear', [False, True])
def test_second_derivatives_are_refused(linear, backend, tensors):
    leaves = [t.requires_grad_() for t in tensors]
    y = call(*leaves, backend)
    y = y.sum() if linear else y.square().sum()
    grads = torch.autograd.grad(y, leaves, create_graph=True)
    for grad in grads:
        with pytest.raises(RuntimeError, match="backend='reference' has"):
            torch.autograd.grad(grad.sum(), leaves, retain_graph=True,
                                allow_unused=True)


def test_second_derivatives_of_the_reference(tensors):
    leaves = [t.double().requires_grad_() for t in tensors]
    assert torch.autograd.gradgradcheck(
        lambda *t: call(*t, 'reference').sum((0, 2, 3)), leaves,
        fast_mode=True)


@pytest.mark.parametrize('training', [False, True])
def test_second_derivatives_of_the_layer(training, tensors, make_layer,
                                         monkeypatch):
    layer, x = make_layer.train(training), tensors[0].requires_grad_()
    wanted = [x, *layer.parameters()]
    grads = torch.autograd.grad(layer(x).sum(), wanted, create_graph=True)
    for grad, leaf in zip(grads, wanted):
        if leaf is not layer.bias:  # whose gradient is constant
            with pytest.raises(RuntimeError, match='second derivatives'):
                torch.autograd.grad(grad.square().sum(), wanted,
                                    retain_graph=True, allow_unused=True)
    monkeypatch.setenv('MMACDA_BACKEND', 'reference')
    assert 'names reference' in why_plain_now(layer.atom_generator, x)
    grad, = torch.autograd.grad(layer(x).square().sum(), x,
                                create_graph=True)
    assert torch.autograd.grad(grad.square().sum(), x)[0].isfinite().all()


def test_gradients_in_batches_are_refused(tensors):
    x = tensors[0].requires_grad_()
    y = call(*tensors)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        torch.autograd.grad(y, x, torch.stack((y, y)), is_grads_batched=True)


@pytest.mark.parametrize('negated', range(4))
def test_lazily_negated_tensors(negated, tensors):
    leaves = [t.requires_grad_() for t in tensors]
    y = call(*(torch._neg_view(t) if n == negated else t
               for n, t in enumerate(leaves)), 'native')
    expected = define(*(-t if n == negated else t
                        for n, t in enumerate(leaves)))
    near(y, expected)
    grad = torch._neg_view(torch.rand_like(y))
    for ours, theirs in zip(torch.autograd.grad(y, leaves, grad),
                            torch.autograd.grad(expected, leaves, grad)):
        near(ours, theirs)


def test_hidden_maps_without_their_norm_have_gradients(tensors):
    norm = torch.rand(2, 5) + 0.5

    def run(generator, hidden):
        y = adaptive_conv2d_generated(tensors[0], hidden, generator, BASES,
                                      tensors[3], padding=1)
        return torch.autograd.grad(y.square().sum(), leaf)[0]

    leaf = tensors[1].requires_grad_()
    normed = (leaf * norm[0, :, None, None] + norm[1, :, None, None]).tanh()
    near(run(Generator(tensors[2], 3, True, norm), leaf),
         run(Generator(tensors[2], 3), normed))


@pytest.mark.parametrize('name, change, words', [
    ('hidden', lambda t: t.numpy(), 'hidden must be a torch.Tensor'),
    ('hidden', lambda t: t.long(), 'hidden must have a floating point'),
    ('matrix', lambda t: t.to_sparse(), 'matrix must be a dense tensor'),
    ('matrix', lambda t: t.to('meta'), 'matrix is on meta'),
    ('matrix', lambda t: t.double(), 'matrix has dtype'),
    ('hidden', lambda t: t.double(), 'hidden has dtype'),
])
def test_a_wrong_tensor_is_named(name, change, words, tensors):
    n = dict(hidden=1, matrix=2)[name]
    given = [change(t) if i == n else t for i, t in enumerate(tensors)]
    with pytest.raises(TypeError, match=words):
        call(*given)


def test_null_pointers_do_not_reach_c(tensors):
    from .test_tracing import GEOMETRY
    for n in range(4):
        x, hidden, matrix, weight = (
            torch._to_functional_tensor(t) if i == n else t
            for i, t in enumerate(tensors))
        generator = Generator(matrix, 3)
        arguments = x, hidden, generator, BASES, weight, GEOMETRY
        with pytest.raises(RuntimeError, match='memory'):
            native.forward_generated(*arguments)
        with pytest.raises(RuntimeError, match='memory'):
            native.backward_generated(torch.rand(2, 5, 6, 7), *arguments,
                                      (True, ) * 4)

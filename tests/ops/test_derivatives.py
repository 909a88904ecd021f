"""Forward-mode, mapped, batched and second derivatives."""
import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from mmacda.layers import ACDAConv
from mmacda.ops import available_backends, registered_op
from mmacda.ops.backends import BACKENDS

from .test_tracing import (GEOMETRY, call, make_tensors, near,
                           needs_operator)

# The reference and the form for exporters are made of operators that all of
# PyTorch's machinery knows.
DIRECT = [name for name in available_backends()
          if hasattr(BACKENDS[name], 'backward')]


@pytest.fixture
def tensors():
    return make_tensors()


@pytest.mark.parametrize('grad', [False, True])
def test_forward_mode(grad, tensors):
    x, *others = tensors
    tangent = torch.rand_like(x)
    with torch.set_grad_enabled(grad), forward_ad.dual_level():
        y = call(forward_ad.make_dual(x, tangent), *others)
        # The operator is linear in x.
        near(forward_ad.unpack_dual(y).tangent, call(tangent, *others))
    y, ours = torch.func.jvp(lambda x: call(x, *others), (x, ), (tangent, ))
    near(ours, call(tangent, *others))


@pytest.mark.parametrize('backend', DIRECT)
def test_forward_mode_is_refused_by_name(backend, tensors):
    if BACKENDS[backend].can_run(*tensors, GEOMETRY):
        pytest.skip('does not run here')
    with forward_ad.dual_level():
        with pytest.raises(ValueError, match="backend='reference'"):
            call(*tensors, backend)
    with pytest.raises(ValueError, match="backend='reference'"):
        torch.vmap(lambda x: call(x[None], *(t[:1] for t in tensors[1:2]),
                                  *tensors[2:], backend))(tensors[0])


def test_transforms(tensors):
    x, alpha, bases, weight = tensors

    def single(x, alpha):
        return call(x[None], alpha[None], bases, weight)[0]

    near(torch.vmap(single)(x, alpha), call(*tensors))
    near(torch.func.functionalize(call)(*tensors), call(*tensors))

    def loss(weight):
        return call(x, alpha, bases, weight).square().sum()

    leaf = weight.clone().requires_grad_()
    expected, = torch.autograd.grad(loss(leaf), leaf)
    near(torch.func.grad(loss)(weight), expected)
    near(torch.func.jacrev(loss)(weight), expected)
    near(torch.func.jacfwd(loss)(weight), expected)


def test_functional_call_and_gradients_per_image():
    layer = ACDAConv(4, 5, 3, padding=1).eval()
    parameters = {n: p.detach() for n, p in layer.named_parameters()}
    x = torch.rand(3, 4, 6, 6)

    def loss(parameters, x):
        y = torch.func.functional_call(layer, parameters, (x[None], ))
        return y.square().sum()

    grads = torch.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    layer(x).square().sum().backward()
    for name, parameter in layer.named_parameters():
        near(grads[name].sum(0), parameter.grad)


@pytest.mark.parametrize('backend', ['native', 'stock'])
def test_second_derivatives_say_what_serves(backend, tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]

    def penalty(backend):
        # The sum's gradient needs none itself.
        grads = torch.autograd.grad(
            call(*leaves, backend).sum(), leaves, create_graph=True)
        return sum(g.square().sum() for g in grads)

    value = penalty(backend)
    near(value.detach(), penalty('reference').detach())
    with pytest.raises(RuntimeError, match="backend='reference'"):
        value.backward(retain_graph=True)
    for leaf in leaves:  # the way there must not get lost
        with pytest.raises(RuntimeError, match="backend='reference'"):
            torch.autograd.grad(value, leaf, retain_graph=True,
                                allow_unused=True)
    penalty('reference').backward()


@pytest.mark.parametrize('backend', ['native', 'stock'])
@pytest.mark.parametrize('index', [0, 1, 3])
def test_second_derivatives_of_one_tensor_are_not_dropped(
        backend, index, tensors):
    """Autograd visits the way to that tensor alone."""
    leaves = list(tensors)
    leaf = leaves[index] = leaves[index].clone().requires_grad_()
    y = call(*leaves, backend).square().sum()
    grad, = torch.autograd.grad(y, leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        torch.autograd.grad(grad.square().sum(), leaf, allow_unused=True)


def test_gradient_penalty_of_a_layer_is_not_halved():
    """It reaches the input through the generator as well."""
    layer = ACDAConv(4, 4, 3, padding=1).eval()
    x = torch.rand(1, 4, 5, 5, requires_grad=True)
    grad, = torch.autograd.grad(
        layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        torch.autograd.grad(grad.square().sum(), x)


@needs_operator
def test_second_derivatives_of_the_operator(tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    y = registered_op.apply(*leaves, *GEOMETRY, None)
    grads = torch.autograd.grad(y.sum(), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        grads[0].sum().backward()


def test_batched_gradients_say_what_serves(tensors):
    x = tensors[0].clone().requires_grad_()
    for backend in ('native', 'reference'):
        y = call(x, *tensors[1:], backend)
        arguments = y, x, torch.rand(2, *y.shape)
        if backend == 'native':
            with pytest.raises(RuntimeError, match="backend='reference'"):
                torch.autograd.grad(*arguments, is_grads_batched=True)
        else:
            torch.autograd.grad(*arguments, is_grads_batched=True)

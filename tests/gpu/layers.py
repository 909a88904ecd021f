"""Layers and steps of training that the tests of this folder share."""
import copy
from contextlib import nullcontext

import torch

from mmacda.layers import ACDAConv

FORMS = dict(
    default={},
    half=dict(atom_generator=dict(kernel_size=(3, 1))),
    light=dict(atom_generator='light'))
SINGLE, HALVES = torch.float32, (torch.float16, torch.bfloat16)
# Norm-wise, of outputs and of gradients: those of a norm are sums over a
# batch in which most cancels.
LIMITS = {SINGLE: (1e-5, 1e-3), torch.float16: (4e-3, 2e-2),
          torch.bfloat16: (3e-2, 1e-1)}  # yapf: disable


def make_layer(form='default', channels=32, **options):
    """On a GPU, its weights drawn anew."""
    torch.manual_seed(3)
    return ACDAConv(channels, channels, 7, padding=3, **FORMS[form],
                    **options).cuda()


def make_input(channels=32, batch=2, size=(13, 18), channels_last=True):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(batch, channels, *size, generator=generator).cuda()
    return x.contiguous(memory_format=torch.channels_last) \
        if channels_last else x


def cast(dtype):
    return nullcontext() if dtype == SINGLE \
        else torch.autocast('cuda', dtype)


def differentiate(layer, x, dtype=SINGLE, scale=1.):
    """Output, and gradients of the input and of all parameters."""
    x = x.detach().requires_grad_()
    with cast(dtype):
        y = layer(x)
    upstream = torch.linspace(
        -1, 1, y.numel(), dtype=y.dtype, device=y.device).view(y.shape)
    leaves = [x, *layer.parameters()]
    grads = torch.autograd.grad(y, leaves, upstream * scale)
    names = ['input', *[name for name, _ in layer.named_parameters()]]
    return y.detach(), {name: grad / scale
                        for name, grad in zip(names, grads)}


def in_double(layer, x):
    """The same on a CPU in float64, by PyTorch alone."""
    exact = copy.deepcopy(layer).cpu().double()
    exact.backend = 'stock'
    return differentiate(exact, x.detach().cpu().double())


def joined(grads):
    return torch.cat([grads[name].flatten().double().cpu()
                      for name in sorted(grads)])


def error(ours, right):
    """Norm of the difference, of that of the expected."""
    ours, right = ours.double().cpu(), right.double().cpu()
    return ((ours - right).norm() / right.norm()).item()


def assert_equal(ours, right, dtype=SINGLE):
    """Outputs; the gradient of the input; those of all parameters as one."""
    limit, grad_limit = LIMITS[dtype]
    assert error(ours[0], right[0]) <= limit
    ours, right = dict(ours[1]), dict(right[1])
    assert error(ours.pop('input'), right.pop('input')) <= grad_limit
    assert error(joined(ours), joined(right)) <= grad_limit

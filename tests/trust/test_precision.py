"""Half precision beside PyTorch's own: convolutions in the same precision.

The rival computes the same layer from F.conv2d and one matmul, as PyTorch
rounds them. Both are judged against float32.
"""
import copy
from contextlib import nullcontext

import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv, acda_conv
from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends import export
from tests.layers.cases import HYPER_PARAMETERS

from .cases import every_model, tensors_of

FORWARD, BACKWARD = 2., 3.
PRECISIONS = {
    'bf16-autocast': (True, torch.bfloat16),
    'fp16-autocast': (True, torch.float16),
    'bf16': (False, torch.bfloat16),
}
every_precision = pytest.mark.parametrize(
    'precision', PRECISIONS.values(), ids=PRECISIONS)


@pytest.fixture
def rival(monkeypatch):
    """Switches every layer to plain convolutions in the given precision."""

    def convolutions(*arguments, backend=None):
        return export.adaptive_conv2d(*arguments)

    def switch():
        monkeypatch.setattr(acda_conv, 'adaptive_conv2d', convolutions)

    return switch


def run(module: nn.Module, x, autocast=False, dtype=torch.float32):
    """Outputs, and gradients of input and parameters, in float32."""
    module = copy.deepcopy(module)
    if not autocast:
        module, x = module.to(dtype), x.to(dtype)
    x = x.clone().requires_grad_()
    with torch.autocast('cpu', dtype) if autocast else nullcontext():
        outputs = tensors_of(module(x))
    generator = torch.Generator().manual_seed(1)
    loss = sum(
        (o.float() * torch.randn(o.shape, generator=generator)).sum()
        for o in outputs)
    leaves = [x, *module.parameters()]
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [[t.float() for t in results if t is not None]
            for results in (outputs, grads)]


def relative_error(results, exact):
    """Root mean square over the tensors of their relative errors."""
    errors = [(ours - true).norm() / true.norm()
              for ours, true in zip(results, exact) if true.norm() > 0]
    assert errors and all(ours.isfinite().all() for ours in results)
    return torch.stack(errors).square().mean().sqrt().item()


def compare(figure, module, x, precision, switch_to_rival):
    exact = run(module, x)
    ours = run(module, x, *precision)
    switch_to_rival()
    theirs = run(module, x, *precision)
    for name, bound, *results in zip(
            ('forward: error over that of convolutions', 'backward: '
             'error over that of convolutions'), (FORWARD, BACKWARD), ours,
            theirs, exact):
        error, reference = (relative_error(r, results[2])
                            for r in results[:2])
        assert reference > 0
        figure(name, error / reference, bound)


class Operator(nn.Module):
    """adaptive_conv2d with all its inputs as parameters."""

    def __init__(self, channels, out_channels, size, scales, stride, groups):
        super().__init__()
        psi = fourier_bessel_bases(scales, 6).float()
        self.register_buffer('bases', psi)
        pad = scales[-1] // 2
        out = [(n - 1) // stride + 1 for n in size]
        torch.manual_seed(0)
        alpha = torch.randn(2, 6, len(psi), *out)
        self.alpha = nn.Parameter(torch.tanh(alpha))
        self.weight = nn.Parameter(
            torch.randn(out_channels, channels // groups * 6, 1, 1))
        self.bias = nn.Parameter(torch.randn(out_channels))
        self.options = dict(stride=stride, padding=pad, groups=groups)
        self.function = adaptive_conv2d

    def forward(self, x):
        return self.function(x, self.alpha, self.bases, self.weight,
                             self.bias, **self.options)


@pytest.mark.trust('precision/operator')
@every_precision
@pytest.mark.parametrize('options', [
    dict(channels=16, out_channels=24, size=(13, 17), scales=(3, 5, 7)),
    dict(channels=8, out_channels=8, size=(16, 11), scales=(3, ), stride=2),
    dict(channels=8, out_channels=16, size=(9, 9), scales=(5, ), groups=4),
])
def test_operator(figure, options, precision):
    operator = Operator(**{'stride': 1, 'groups': 1, **options})
    x = torch.randn(2, options['channels'], *options['size'])

    def switch():
        operator.function = export.adaptive_conv2d

    compare(figure, operator, x, precision, switch)


@pytest.mark.trust('precision/layer')
@every_precision
@pytest.mark.parametrize(
    'options', [o for o in HYPER_PARAMETERS.values() if o['kernel_size'] > 1],
    ids=[n for n, o in HYPER_PARAMETERS.items() if o['kernel_size'] > 1])
def test_layer(figure, options, precision, rival):
    torch.manual_seed(0)
    layer = ACDAConv(4, 8, **options)
    x = torch.randn(2, 4, 15, 18)
    compare(figure, layer, x, precision, rival)


@pytest.mark.trust('precision/models')
@every_precision
@every_model
def test_model(figure, case, precision, rival):
    compare(figure, case.build(), case.draw(), precision, rival)

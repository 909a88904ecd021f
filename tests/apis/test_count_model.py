"""Counting without tracing, beside MMEngine's counter, which traces."""
import warnings

import pytest
import torch
import torch.nn as nn
from mmengine.analysis import get_model_complexity_info

from mmacda.apis.complexity import count_model
from mmacda.layers import ACDAConv

SHAPE = (4, 8, 6)
PARTS = {
    'convolution': lambda: nn.Conv2d(4, 6, 3, 2, 1),
    'grouped': lambda: nn.Conv2d(4, 8, 3, groups=4, dilation=2),
    'transposed': lambda: nn.ConvTranspose2d(4, 6, 3, 2),
    'linear': lambda: nn.Linear(6, 5),
    'batch norm': lambda: nn.BatchNorm2d(4),
    'without parameters': lambda: nn.BatchNorm2d(4, affine=False),
    'group norm': lambda: nn.GroupNorm(2, 4),
    'layer norm': lambda: nn.LayerNorm(6),
    'instance norm': lambda: nn.InstanceNorm2d(4, affine=True),
    'global pooling': lambda: nn.AdaptiveAvgPool2d(1),
    'pooling': lambda: nn.AdaptiveAvgPool2d(3),
    'nearest': lambda: nn.Upsample(scale_factor=2),
    'bilinear': lambda: nn.Upsample(scale_factor=2, mode='bilinear'),
    'adaptive': lambda: ACDAConv(4, 5, 3, 2, 1, scales=(3, 5)),
    'light': lambda: ACDAConv(4, 5, 3, padding=1, atom_generator='light'),
    'direct': lambda: ACDAConv(4, 4, 3, groups=2, atom_bases=None),
}


@pytest.mark.parametrize('part', PARTS)
def test_counts_are_mmengine_s(part):
    model = nn.Sequential(nn.Conv2d(4, 4, 1), PARTS[part]()).eval()
    ours = count_model(model, SHAPE)
    for layer in model:
        layer.backend = 'reference'  # which tracing sees
    theirs = get_model_complexity_info(
        model, SHAPE, show_arch=False, show_table=False)
    assert ours[:2] == (theirs['params'], theirs['flops'])


def test_modules_are_counted_too():
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 6, 1), nn.ReLU()), nn.Conv2d(6, 2, 1))
    found = count_model(model, SHAPE)
    assert found.modules == {
        '': (30 + 14, 48 * (24 + 12)),
        '0': (30, 48 * 24),
        '0.0': (30, 48 * 24),
        '1': (14, 48 * 12),
    }


def test_a_module_that_runs_twice_counts_twice():

    class Twice(nn.Module):

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return [self.conv(self.conv(x)), dict(x=x)]  # nothing to trace

    found = count_model(Twice(), SHAPE)
    assert found.flops == found.modules['conv'][1] == 2 * 16 * 48


def test_attention_is_counted():

    class Attention(nn.Module):

        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    # 4 heads: 8 x 8 scores of 6 channels, and as many products with values.
    assert count_model(Attention(), SHAPE).flops == 2 * 4 * 8 * 8 * 6


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(ACDAConv(4, 4, 3, backend='stock'), nn.Dropout())
    model[1].eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        count_model(model, SHAPE)
    assert model[0].backend == 'stock'
    assert [m.training for m in model] == [True, False]
    assert not model[0]._forward_hooks
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])


def test_a_model_without_memory_is_counted():
    model = nn.Sequential(ACDAConv(4, 4, 3, padding=1), nn.BatchNorm2d(4))
    expected = count_model(model, SHAPE)
    assert count_model(model.to('meta'), SHAPE) == expected


def test_options_reach_the_model():

    class Model(nn.Module):

        def forward(self, x, times=1):
            return [x @ x.mT for _ in range(times)]

    one, three = (count_model(Model(), SHAPE, times=n).flops for n in (1, 3))
    assert three == 3 * one == 3 * 4 * 8 * 8 * 6

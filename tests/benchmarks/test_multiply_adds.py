"""Multiply-adds of layers, against what PyTorch counts as they run."""
from functools import lru_cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmacda.apis.complexity import count_model
from mmacda.layers import ACDAConv
from mmacda.layers.generator_forms import resolve_generator
from tools.benchmarks.models import ACDA, HALF, LIGHT
from tools.benchmarks.multiply_adds import GENERATORS, count, parts, ratio

CHANNELS, SIDE = 16, 6
OPTIONS = dict(zip(GENERATORS, (ACDA, HALF, LIGHT)))


@lru_cache(maxsize=None)
def make_layer(form):
    options = {k: v for k, v in OPTIONS[form].items() if k != 'type'}
    options['atom_generator'] = dict(
        resolve_generator(options.get('atom_generator')), norm_cfg=None)
    return ACDAConv(CHANNELS, CHANNELS, backend='reference', **options)


@pytest.mark.parametrize('form', GENERATORS)
def test_inference_is_what_the_layer_computes(form):
    flops = count_model(make_layer(form), (CHANNELS, SIDE, SIDE)).flops
    assert count(CHANNELS, form, 'inference') == flops / SIDE**2


@pytest.mark.parametrize('form', GENERATORS)
@pytest.mark.parametrize('measure', ['training', 'training inside'])
def test_training_is_what_autograd_computes_and_what_is_made_again(
        form, measure):
    layer = make_layer(form)
    x = torch.rand(1, CHANNELS, SIDE, SIDE)
    x.requires_grad_(measure == 'training inside')
    with FlopCounterMode(display=False) as counter:
        layer(x).sum().backward()
    layer_parts = parts(CHANNELS, form)
    again = layer_parts.compose + layer_parts.filter
    if form != 'acda':  # coefficients are kept
        again += layer_parts.second
    seen = counter.get_total_flops() / 2 / SIDE**2
    assert count(CHANNELS, form, measure) == seen + again


@pytest.mark.parametrize('measure, passes', [('inference', 1),
                                             ('training', 2),
                                             ('training inside', 3)])
def test_a_convolution(measure, passes):
    conv = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
    x = torch.rand(1, CHANNELS, SIDE, SIDE)
    x.requires_grad_(measure == 'training inside')
    with FlopCounterMode(display=False) as counter:
        output = conv(x)
        if passes > 1:
            output.sum().backward()
    assert count(CHANNELS, 'conv3', measure) == \
        counter.get_total_flops() / 2 / SIDE**2


def test_a_ratio_is_of_the_two_counts():
    assert ratio(64, 'acda-light', 'conv7', 'inference') == pytest.approx(
        59692 / (64 * 64 * 49))

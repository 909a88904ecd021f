"""Layers, replacement, and small models."""
import numpy as np
import pytest
import torch.nn as nn
from hypothesis import strategies as st
from mmengine.registry import MODELS

from mmacda.layers import (ACDAConv, AtomGenerator, CondConv, DFNConv,
                           DynamicConv, replace_convs)
from mmacda.models import ReplaceConvs  # noqa: F401

from .harness import spoil, target, tensors
from .operator_targets import SCALES, SIDES, pairs

MODES = ('zeros', 'reflect', 'replicate', 'circular')


def conv_arguments(draw, kernels):
    groups = draw(st.integers(1, 3))
    padding = draw(st.one_of(pairs(0, 4), st.sampled_from(('same', 'valid'))))
    return dict(
        in_channels=groups * draw(st.integers(1, 2)),
        out_channels=groups * draw(st.integers(1, 2)),
        kernel_size=draw(st.sampled_from(kernels)),
        stride=1 if padding == 'same' else draw(pairs(1, 3)),
        padding=padding,
        dilation=draw(pairs(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(MODES)))


def draw_image(draw, channels):
    """Mostly an image that a layer takes."""
    if not isinstance(channels, int) or isinstance(channels, bool):
        channels = 1
    channels = max(channels, 0)
    shape = draw(st.integers(0, 2)), channels, draw(SIDES), draw(SIDES)
    x = tensors(draw, shape)
    return spoil(
        draw, dict(x=x), chance=12, more=(np.ones((1, channels, 8, 8)), ))['x']


def train_step(layer, x):
    """Output and gradients of one step."""
    layer.train()
    output = layer(x)
    if output.numel():
        output.float().square().mean().backward()
    return output, [p.grad for p in layer.parameters() if p.grad is not None]


def draw_layer(draw, kind, arguments):
    arguments = spoil(draw, arguments, chance=6)
    x = draw_image(draw, arguments['in_channels'])
    return lambda: train_step(kind(**arguments), x)


@target(share=6)
def acda_conv(draw):
    arguments = conv_arguments(draw, (3, 5, 1, (3, 3), 3, 5, (3, 5)))
    for name, values in dict(
            num_atoms=st.integers(1, 3),
            num_bases=st.integers(1, 7),
            scales=st.sampled_from(SCALES),
            atom_bases=st.sampled_from(('fourier_bessel', None)),
            atom_generator=st.sampled_from((
                None, {}, dict(hidden_channels=4, kernel_size=1),
                dict(norm_cfg=None), dict(act_cfg=None, norm_cfg=None),
                dict(norm_cfg=dict(type='GN', num_groups=1)),
                dict(kernel_size=(1, 3)), dict(kernel_size=(5, 1)),
                dict(width=3))),
            backend=st.sampled_from((None, 'stock', 'reference'))).items():
        if draw(st.booleans()):
            arguments[name] = draw(values)
    return draw_layer(draw, ACDAConv, arguments)


@target(share=1)
def atom_generator(draw):
    return draw_layer(
        draw, AtomGenerator,
        dict(
            in_channels=draw(st.integers(1, 3)),
            out_channels=draw(st.integers(1, 6)),
            hidden_channels=draw(st.integers(1, 4)),
            kernel_size=draw(st.sampled_from((1, 3, 5, (1, 3)))),
            target_kernel_size=draw(st.sampled_from((1, 3, 5))),
            stride=draw(pairs(1, 2)),
            padding=draw(pairs(0, 2)),
            dilation=draw(pairs(1, 2)),
            padding_mode=draw(st.sampled_from(MODES)),
            norm_cfg=draw(st.sampled_from((None, dict(type='BN')))),
            act_cfg=draw(st.sampled_from((None, dict(type='Tanh'))))))


@target(share=2, errors=(MemoryError, ))
def peers(draw):
    pytest.importorskip('timm')
    kind = draw(st.sampled_from((CondConv, DynamicConv, DFNConv)))
    arguments = conv_arguments(draw, (1, 3, 5))
    own = {
        CondConv: dict(num_experts=draw(st.integers(1, 3))),
        DynamicConv: dict(
            num_kernels=draw(st.integers(1, 3)),
            reduction=draw(st.integers(1, 5)),
            temperature=draw(st.sampled_from((1., 30., 0.1)))),
        DFNConv: dict(memory_limit=draw(st.sampled_from((2**20, 64))))
    }
    return draw_layer(draw, kind, {**arguments, **own[kind]})


def draw_network(draw):
    """A plain network of a few convolutions of any kind."""
    layers, channels = [], draw(st.integers(1, 6))
    first = channels
    for _ in range(draw(st.integers(1, 3))):
        out = draw(st.integers(1, 6))
        depthwise = draw(st.integers(1, 5)) == 1
        layers.append(
            nn.Conv2d(
                channels,
                channels if depthwise else out,
                draw(st.sampled_from((3, 5, 1, 3, 2, (3, 1)))),
                padding=draw(st.sampled_from((1, 2))),
                groups=channels if depthwise else 1,
                padding_mode=draw(st.sampled_from(MODES))))
        channels = layers[-1].out_channels
        layers.append(draw(st.sampled_from((nn.ReLU(), nn.Identity()))))
    return nn.Sequential(*layers), first


@target(share=3)
def replacement(draw):
    network, channels = draw_network(draw)
    arguments = spoil(
        draw,
        dict(
            conv_cfg=draw(st.sampled_from((
                dict(type='ACDAConv'), dict(type='ACDAConv', num_atoms=2,
                                            scales=(3, 5)),
                dict(type='ACDAConv', atom_generator=dict(kernel_size=1)),
                dict(type='ACDAConv', atom_bases=None), dict(type='DFNConv'),
                dict(type='ACDAConv', stride=2)))),
            include=draw(st.sampled_from((None, '0', ['0'], None, '[', 'x'))),
            exclude=draw(st.sampled_from((None, None, None, '2', 'y'))),
            predicate=draw(st.sampled_from(
                (None, lambda name, conv: conv.kernel_size[0] > 3))),
            init=draw(st.sampled_from((None, 'project')))))
    x = tensors(draw, (2, channels, 8, 9), magnitudes=(0., 1.))

    def call():
        report = replace_convs(network, **arguments)
        assert len(report.replaced) + len(report.skipped) >= 0
        return network(x)

    return call


@target(share=1)
def models(draw):
    kind = draw(st.sampled_from(('ACDALeNet', 'AdResNet', 'PatternDetector')))
    side = draw(st.sampled_from((20, 16, 33, 8, 1)))
    arguments = dict(
        ACDALeNet=dict(
            in_channels=1,
            input_size=draw(st.sampled_from((side, side, 16))),
            conv_type=draw(st.sampled_from(('acda', 'conv', 'acda', 'x')))),
        AdResNet=dict(
            arch=dict(
                stage_widths=draw(st.sampled_from(((4, 4, 8), (4, 6)))),
                stage_blocks=draw(st.sampled_from(((1, 1, 1), (1, 2)))),
                dynamic_stages=draw(st.sampled_from(((1, ), (1, ), (5, ))))),
            in_channels=1,
            stem_channels=4,
            cifar_stem=draw(st.booleans()),
            max_pool=draw(st.booleans()),
            out_indices=draw(st.sampled_from(((1, ), (0, 1), (0, ), (4, )))),
            frozen_stages=draw(st.integers(-1, 3)),
            acda_cfg=draw(st.sampled_from(
                (None, dict(num_atoms=2), dict(scales=(3, )))))),
        PatternDetector=dict(
            conv_cfg=dict(type=draw(st.sampled_from(('ACDAConv', 'Conv2d')))),
            kernel_size=draw(st.sampled_from((3, 7)))))[kind]
    # What reaches PyTorch's own layers unchanged is theirs to check.
    ours = {
        name: value
        for name, value in arguments.items()
        if name not in ('in_channels', 'stem_channels', 'conv_cfg')
    }
    arguments.update(spoil(draw, ours, chance=8))
    x = tensors(draw, (2, 1, side, side))
    return lambda: MODELS.build(dict(type=kind, **arguments)).eval()(x)

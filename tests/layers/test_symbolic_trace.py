"""Tracers need no option for our layers: torch.fx's, and TorchScript's."""
import copy

import pytest
import torch
import torch.nn as nn
from mmengine.registry import MODELS

import mmacda  # noqa: F401
from mmacda.layers import (ACDAConv, CondConv, DFNConv, DynamicConv,
                           replace_convs)

LAYERS = {
    'acda': lambda: ACDAConv(4, 6, 3, padding=1),
    'strided': lambda: ACDAConv(4, 6, 3, 2, 1, scales=(3, 5, 7)),
    'reflect': lambda: ACDAConv(4, 6, 3, padding=1, padding_mode='reflect'),
    'direct': lambda: ACDAConv(4, 6, 3, atom_bases=None),
    'pointwise': lambda: ACDAConv(4, 6, 1),
    'cropped': lambda: ACDAConv(
        4, 6, 5, atom_generator=dict(kernel_size=1)),
    'cond': lambda: CondConv(4, 6, 3, padding=1),
    'dynamic': lambda: DynamicConv(
        4, 6, 3, padding=1, padding_mode='circular'),
    'dfn': lambda: DFNConv(4, 6, 3, padding=1),
}


def assert_same(traced, model, channels=4):
    for size in ((1, channels, 9, 11), (2, channels, 16, 8)):
        x = torch.rand(size)
        torch.testing.assert_close(traced(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_is_one_node(name):
    if name in ('cond', 'dynamic'):
        pytest.importorskip('timm')
    model = nn.Sequential(nn.ReLU(), LAYERS[name]()).eval()
    traced = torch.fx.symbolic_trace(model)
    calls = [n.target for n in traced.graph.nodes if n.op == 'call_module']
    assert calls == ['0', '1']
    assert_same(traced, model)
    with pytest.raises(ValueError, match='must have shape'):
        traced(torch.rand(1, 5, 9, 9))


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_that_is_the_root_is_looked_into(name):
    if name in ('cond', 'dynamic'):
        pytest.importorskip('timm')
    layer = LAYERS[name]().eval()
    if name in ('reflect', 'cropped'):  # by the operators that are recorded
        layer.atom_generator.register_forward_hook(lambda *_: None)
    traced = torch.fx.symbolic_trace(layer)
    assert_same(traced, layer)
    assert_same(copy.deepcopy(traced), layer)


@pytest.mark.filterwarnings('error::torch.jit.TracerWarning')
@pytest.mark.parametrize('name', LAYERS)
def test_torchscript_s_tracer_has_nothing_to_warn_of(name):
    if name in ('cond', 'dynamic'):
        pytest.importorskip('timm')
    layer = LAYERS[name]().eval()
    traced = torch.jit.trace(layer, torch.rand(1, 4, 7, 8), check_trace=False)
    # timm's layer is recorded with the number of its images.
    x = torch.rand(1 if name in ('cond', 'dynamic') else 2, 4, 16, 9)
    torch.testing.assert_close(traced(x), layer(x))


def test_a_traced_layer_trains():
    model = nn.Sequential(ACDAConv(4, 6, 3, padding=1), nn.ReLU())
    traced = torch.fx.symbolic_trace(model).train()
    traced(torch.rand(2, 4, 9, 9)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


MODELS_TO_TRACE = {
    'ad_resnet': dict(type='AdResNet', arch='s'),
    'lenet': dict(type='ACDALeNet'),
    'restorer': dict(type='ACDARestorer'),
    'denoiser': dict(type='VDNUNet'),
}


@pytest.mark.parametrize('name', MODELS_TO_TRACE)
def test_models(name):
    if name == 'ad_resnet':
        pytest.importorskip('mmpretrain')
    model = MODELS.build(MODELS_TO_TRACE[name]).eval()
    traced = torch.fx.symbolic_trace(model)
    nodes = [n for n in traced.graph.nodes if n.op == 'call_module'
             and isinstance(traced.get_submodule(n.target), ACDAConv)]
    assert len(nodes) == sum(isinstance(m, ACDAConv) for m in model.modules())
    sizes = [(32, 32)] if name == 'lenet' else [(64, 96), (45, 33)]
    for size in sizes:
        x = torch.rand(1, 3, *size)
        torch.testing.assert_close(traced(x), model(x), rtol=0, atol=0)


def small_network():
    convs = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    replace_convs(convs)
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), *convs)
    return model.eval()


def test_features_of_torchvision():
    extraction = pytest.importorskip('torchvision.models.feature_extraction')
    model = small_network()
    name = next(n for n, m in model.named_modules()
                if isinstance(m, ACDAConv))
    extractor = extraction.create_feature_extractor(model, {name: 'out'})
    x = torch.rand(1, 3, 9, 9)
    expected = model[:int(name) + 1](x)
    torch.testing.assert_close(extractor(x)['out'], expected)


def test_efficient_conv_bn_eval():
    from mmengine.model.efficient_conv_bn_eval import \
        turn_on_efficient_conv_bn_eval
    model = nn.ModuleDict(dict(backbone=small_network())).eval()
    x = torch.rand(1, 3, 9, 9)
    expected = model['backbone'](x)
    turn_on_efficient_conv_bn_eval(model, 'backbone')
    torch.testing.assert_close(model['backbone'](x), expected)


@pytest.mark.filterwarnings('ignore')
def test_quantization_leaves_the_layer_whole():
    quantization = pytest.importorskip('torch.ao.quantization')
    if not hasattr(quantization, 'get_default_qconfig_mapping'):
        pytest.skip('needs FX graph mode quantization')
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
    model = small_network()
    x = torch.rand(1, 3, 9, 9)
    mapping = quantization.get_default_qconfig_mapping()
    prepared = prepare_fx(model, mapping, (x, ))
    torch.testing.assert_close(prepared(x), model(x))
    quantized = convert_fx(prepared)
    assert any(isinstance(m, ACDAConv) for m in quantized.modules())
    error = (quantized(x) - model(x)).abs().max()
    assert error < 0.1 * model(x).abs().max()

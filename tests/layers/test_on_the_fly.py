"""Layers that make coefficients on the fly equal those that do not."""
import copy

import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv, acda_conv, on_the_fly
from mmacda.layers.on_the_fly import why_plain, why_plain_now
from mmacda.testing.cases import relative_error

GEOMETRIES = [
    dict(padding=1),
    dict(stride=2, padding=1, scales=(3, 5, 7)),
    dict(padding=1, padding_mode='reflect', groups=2),
    dict(padding=(0, 2), dilation=(1, 2), atom_bases=None),
]
BN = dict(type='BN')
GENERATORS = [
    dict(kernel_size=1),
    dict(kernel_size=(3, 1)),
    dict(kernel_size=1, norm_cfg=None),
    dict(kernel_size=1, act_cfg=None),
    dict(kernel_size=1, norm_cfg=dict(BN, momentum=None)),
    dict(kernel_size=1, norm_cfg=dict(BN, affine=False)),
    dict(kernel_size=1, norm_cfg=dict(BN, track_running_stats=False)),
    dict(kernel_size=1, norm_cfg=dict(BN, requires_grad=False)),
]


@pytest.fixture(autouse=True)
def no_map_is_small(request, monkeypatch):
    if 'small' not in request.node.name:
        monkeypatch.setattr(on_the_fly, 'LEAST_TRAINED_VALUES', 0)


def make_layer(generator=GENERATORS[0], **options):
    torch.manual_seed(0)
    layer = ACDAConv(8, 6, 3, atom_generator=dict(generator), **options)
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
            if module.track_running_stats:
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
    return layer


def run(layer, x):
    """Outputs of two steps, gradients of the second, the state after."""
    x = x.clone().requires_grad_()
    first = layer(x)
    layer.zero_grad()
    x.grad = None
    output = layer(x)
    steps = torch.arange(output.numel()).cos().view(output.shape)
    output.backward(steps)
    with torch.no_grad():
        third = layer(x)
    grads = {'x': x.grad, **{k: p.grad for k, p in layer.named_parameters()}}
    return (first.detach(), output.detach(), third), grads, layer.state_dict()


@pytest.fixture
def plain(monkeypatch):
    """Makes a copy of a layer that always takes the plain way."""
    # A hook that does nothing is enough to look inside.
    def make(layer):
        other = copy.deepcopy(layer)
        other.atom_generator.register_forward_hook(lambda *_: None)
        assert why_plain(other.atom_generator) == 'a hook looks inside'
        return other
    return make


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('generator', GENERATORS, ids=str)
@pytest.mark.parametrize('geometry', GEOMETRIES, ids=str)
def test_both_ways_are_one(geometry, generator, training, plain):
    layer = make_layer(generator, **geometry).train(training)
    other = plain(layer)
    x = torch.randn(3, 8, 9, 11)
    assert why_plain_now(layer.atom_generator, x) is None
    outputs, grads, state = run(layer, x)
    expected, expected_grads, expected_state = run(other, x)
    for ours, theirs in zip(outputs, expected):
        assert relative_error(ours, theirs) < 1e-5
    scale = max(g.abs().max() for g in expected_grads.values()
                if g is not None)
    for name, grad in grads.items():
        theirs = expected_grads[name]
        assert (grad is None) == (theirs is None), name
        if grad is not None:
            # Some are zero but for rounding: a shift before a norm.
            size = max(theirs.abs().max(), 0.1 * scale)
            assert (grad - theirs).abs().max() < 1e-5 * size, name
    assert state.keys() == expected_state.keys()
    for name, value in state.items():
        assert relative_error(value, expected_state[name]) < 1e-5, name


@pytest.mark.parametrize('change, reason', [
    (dict(kernel_size=3), 'its second convolution is not a pointwise one'),
    (dict(norm_cfg=dict(type='GN', num_groups=2)),
     'its second norm is a GroupNorm'),
    (dict(act_cfg=dict(type='Sigmoid')),
     'its second activation is a Sigmoid'),
])
def test_why_another_generator_takes_the_plain_way(change, reason):
    layer = make_layer(dict(kernel_size=1, **change) if 'kernel_size' not in
                       change else change, padding=1)
    assert why_plain(layer.atom_generator) == reason
    assert layer(torch.rand(2, 8, 5, 5)).shape == (2, 6, 5, 5)


@pytest.mark.parametrize('name', ['', 'conv2', 'norm2', 'act2'])
def test_who_listens_gets_to_hear(name):
    layer = make_layer(padding=1).eval()
    heard = []
    module = layer.atom_generator.get_submodule(name)
    handle = module.register_forward_hook(lambda *a: heard.append(a))
    x = torch.rand(2, 8, 5, 5)
    with torch.no_grad():
        listened = layer(x)
        assert len(heard) == 1
        handle.remove()
        assert relative_error(layer(x), listened) < 1e-5
    assert len(heard) == 1


@pytest.mark.parametrize('name', ['conv1', 'norm1', 'act1'])
def test_the_first_layer_is_called_as_ever(name):
    layer = make_layer(padding=1).eval()
    heard = []
    layer.atom_generator.get_submodule(name).register_forward_hook(
        lambda *a: heard.append(a))
    x = torch.rand(2, 8, 5, 5)
    with torch.no_grad():
        layer(x)
    layer(x)
    assert len(heard) == 2


def test_a_hook_on_everything_is_served():
    layer, heard = make_layer(padding=1).eval(), []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *_: heard.append(module))
    try:
        layer(torch.rand(2, 8, 5, 5))
    finally:
        handle.remove()
    assert set(layer.modules()) <= set(heard)


def test_double_takes_the_plain_way():
    layer = make_layer(padding=1).eval().double()
    x = torch.rand(2, 8, 5, 5).double()
    assert 'float64' in why_plain_now(layer.atom_generator, x)
    assert layer(x).dtype == torch.float64
    with torch.autocast('cpu', torch.bfloat16):
        assert 'float64' in why_plain_now(layer.atom_generator, x)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('autocast', [True, False])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_loses_no_more_than_the_plain_way(
        dtype, autocast, training, plain):
    layer = make_layer(padding=1).train(training)
    x = torch.randn(3, 8, 19, 21).to(dtype)
    exact = run(plain(layer), x.float())[:2]
    if not autocast:
        layer = layer.to(dtype)
    other = plain(layer)
    with torch.autocast('cpu', dtype, enabled=autocast):
        assert why_plain_now(layer.atom_generator, x) is None
        ours, theirs = run(layer, x)[:2], run(other, x)[:2]
    for i in range(3):
        assert ours[0][i].dtype == dtype
        assert distance(ours[0][i], exact[0][i]) < 1.2 * distance(
            theirs[0][i], exact[0][i])
    largest = max(g.norm() for g in exact[1].values() if g is not None)
    for name, grad in exact[1].items():
        if grad is not None and grad.norm() > 1e-3 * largest:
            assert ours[1][name].dtype == theirs[1][name].dtype
            assert distance(ours[1][name], grad) < 1.5 * distance(
                theirs[1][name], grad), name


def distance(value, exact):
    return ((value.float() - exact).norm() / exact.norm()).item()


def test_a_default_device_changes_nothing():
    layer, x = make_layer(padding=1).eval(), torch.rand(2, 8, 5, 5)
    with torch.device('cpu'):
        assert why_plain_now(layer.atom_generator, x, layer.weight) is None


def test_the_backend_that_is_named_serves(monkeypatch):
    layer = make_layer(padding=1, backend='stock').eval()
    monkeypatch.setattr(acda_conv, 'convolve', None)  # must not be called
    assert layer(torch.rand(2, 8, 5, 5)).shape == (2, 6, 5, 5)


def test_folding_changes_no_parameter():
    layer = make_layer(padding=1).eval()
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        layer(torch.rand(2, 8, 5, 5))
    after = layer.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize('kernel, side, grad, small', [
    ((3, 1), 45, True, True), ((3, 1), 46, True, False),
    ((3, 1), 5, False, False), (1, 5, True, False), (1, 5, False, False)])
def test_small_maps_take_the_plain_way(kernel, side, grad, small):
    """2 x 2116 x 32 values are above 2**17, where PyTorch does a part."""
    layer = make_layer(dict(kernel_size=kernel, hidden_channels=32),
                       padding=1)
    x = torch.rand(2, 8, side, side)
    with torch.set_grad_enabled(grad):
        reason = why_plain_now(layer.atom_generator, x)
    assert (reason == 'the maps are small') == small


def test_frozen_norms_take_the_plain_way_on_small_maps():
    layer = make_layer(padding=1).eval()
    assert why_plain_now(layer.atom_generator, torch.rand(
        2, 8, 5, 5)) == 'the maps are small'

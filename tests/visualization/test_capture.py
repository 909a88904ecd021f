"""Coefficients are captured as they are, and only while asked for."""
import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv, replace_convs
from mmacda.models import ACDALeNet, AdResNet
from mmacda.visualization import CoefficientCapture, find_layers

SMALL = dict(stage_widths=(8, 8), stage_blocks=(1, 2), dynamic_stages=(1, ))


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        ACDAConv(3, 4, 3, padding=1, stride=2), nn.ReLU(),
        ACDAConv(4, 4, 1), ACDAConv(4, 5, 5, padding=2, num_atoms=2)).eval()


def hooks_of(model):
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for module in model.modules())


@torch.no_grad()
def test_captures_what_the_generators_said():
    model, image = small_network(), torch.rand(2, 3, 9, 7)
    with CoefficientCapture(model) as captured:
        output = model(image)
    assert list(captured) == ['0', '3']
    features = model[2](model[1](model[0](image)))
    for name, x in (('0', image), ('3', features)):
        layer, alpha, input_size = captured[name]
        assert layer is model[int(name)] and input_size == x.shape[2:]
        assert torch.equal(alpha.flatten(1, 2), layer.atom_generator(x))
        assert alpha.shape[1:3] == (layer.num_atoms, layer.num_coefficients)
    assert torch.equal(output, model(image))


def test_leaves_no_hook_even_after_an_error():
    model = small_network()
    assert hooks_of(model) == 0
    with pytest.raises(ValueError):
        with CoefficientCapture(model) as captured:
            assert hooks_of(model) == 2
            model(torch.rand(1, 2, 9, 7))
    assert hooks_of(model) == 0 and not captured
    model(torch.rand(1, 3, 9, 7))
    assert not captured


def test_training_is_the_same_with_a_capture():
    gradients = []
    for active in (False, True):
        model = small_network().train()
        capture = CoefficientCapture(model)
        if active:
            capture.start()
        model(torch.linspace(0, 1, 378).reshape(2, 3, 9, 7)).sum().backward()
        capture.stop()
        gradients.append([p.grad for p in model.parameters()])
        assert all(not found.coefficients.requires_grad
                   for found in capture.captured.values())
    assert len(capture.captured) == 2
    for without, with_capture in zip(*gradients):
        assert torch.equal(without, with_capture)


@pytest.mark.parametrize('chosen, expected', [
    (None, ['layer2.0.conv2', 'layer2.1.conv2']),
    ('layer2.1.conv2', ['layer2.1.conv2']),
    (r'\.0\.', ['layer2.0.conv2']),
    (['layer2.1.conv2', '0.conv'], ['layer2.0.conv2', 'layer2.1.conv2']),
])
def test_layers_by_name_or_pattern(chosen, expected):
    model = AdResNet(SMALL, out_indices=(1, ))
    assert list(find_layers(model, chosen)) == expected


def test_finds_layers_of_other_models():
    assert list(find_layers(ACDALeNet())) == ['conv1', 'conv2']
    converted = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    replace_convs(converted, dict(type='ACDAConv'), include='1')
    assert list(find_layers(converted)) == ['1']
    assert list(find_layers(nn.DataParallel(converted))) == ['1']


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match='Conv2d has no ACDAConv layer'):
        find_layers(nn.Conv2d(3, 4, 3))
    with pytest.raises(ValueError, match='ACDAConv has no ACDAConv layer'):
        find_layers(ACDAConv(3, 4, 1))
    model = small_network()
    with pytest.raises(ValueError, match=r"'head'; there are 0, 3"):
        find_layers(model, 'head')
    with pytest.raises(ValueError, match='nor a regular expression'):
        find_layers(model, '(')

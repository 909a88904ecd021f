"""LeNet of Table 1: sizes, twins, gradients."""
import pytest
import torch
from mmengine.registry import MODELS

from mmacda.layers import ACDAConv
from mmacda.models import ACDALeNet


@pytest.mark.parametrize('classes, expected', [(10, 62_006), (100, 69_656)])
def test_plain_lenet_has_the_known_parameters(classes, expected):
    backbone = ACDALeNet(conv_type='conv')
    head = torch.nn.Linear(84, classes)
    count = sum(p.numel() for m in (backbone, head) for p in m.parameters())
    assert count == expected


def test_only_the_two_convolutions_differ():
    acda, conv = ACDALeNet(), ACDALeNet(conv_type='conv')
    adaptive = [n for n, m in acda.named_modules() if isinstance(m, ACDAConv)]
    assert adaptive == ['conv1', 'conv2']
    rest = {
        k: v.shape
        for k, v in acda.state_dict().items() if k.startswith('fc')
    }
    assert rest == {
        k: v.shape
        for k, v in conv.state_dict().items() if k.startswith('fc')
    }
    assert acda.conv1.kernel_size == conv.conv1.kernel_size


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
@pytest.mark.parametrize('channels, size', [(3, 32), (1, 28), (1, 33),
                                            (2, 16)])
def test_every_parameter_gets_a_gradient(conv_type, channels, size):
    model = MODELS.build(
        dict(
            type='ACDALeNet',
            in_channels=channels,
            input_size=size,
            conv_type=conv_type))
    torch.manual_seed(0)
    features, = model(torch.randn(8, channels, size, size))
    assert features.shape == (8, 84)
    features.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_acda_options_reach_the_layers():
    model = ACDALeNet(acda_cfg=dict(num_atoms=4, scales=(3, 5, 7)))
    assert model.conv2.num_atoms == 4 and model.conv2.support == 7


def test_widths_are_those_of_the_convolutions():
    model = ACDALeNet(conv_type='conv', widths=(7, 9))
    assert (model.conv1.out_channels, model.conv2.out_channels) == (7, 9)
    assert model(torch.zeros(1, 3, 32, 32))[0].shape == (1, 84)


@pytest.mark.parametrize('kwargs, message', [
    (dict(conv_type='dcn'), "'acda' or 'conv', but got 'dcn'"),
    (dict(input_size=8), 'at least 16 pixels, but got 8'),
    (dict(widths=(6, 0)), r'two positive integers, but got \(6, 0\)'),
    (dict(widths=(6, )), r'two positive integers, but got \(6,\)'),
])
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ACDALeNet(**kwargs)

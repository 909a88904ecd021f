"""replace_convs on models of every make."""
import copy

import pytest
import torch
import torch.nn as nn
from mmcv.cnn import ConvModule
from torch.nn.utils import parametrizations, prune

from mmacda.layers import ACDAConv, replace_convs

EXACT = dict(type='ACDAConv', num_atoms=9, atom_bases=None)


def small_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 'valid', bias=False), nn.ReLU(),
        nn.Sequential(
            nn.Conv2d(8, 8, 5, padding='same', dilation=2, groups=2),
            nn.Conv2d(8, 12, 1)))


def names(records):
    return [record.name for record in records]


def reasons(report):
    return {record.name: record.reason for record in report.skipped}


def test_default_selection():
    model = small_net()
    report = replace_convs(model)
    assert names(report.replaced) == ['3', '5.0']
    assert reasons(report) == {
        '0': 'stem (reads 3 channels)',
        '5.1': '1 x 1 has no spatial pattern to adapt'
    }
    assert isinstance(model[3], ACDAConv) and isinstance(
        model[5][0], ACDAConv)
    assert type(model[0]) is type(model[5][1]) is nn.Conv2d
    out = model(torch.randn(2, 3, 21, 20))
    assert out.shape == small_net()(torch.randn(2, 3, 21, 20)).shape
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_geometry_is_carried_over():
    model = nn.ModuleList([
        nn.Conv2d(8, 12, 3, (2, 1), (0, 2), (1, 3), 4, False, 'reflect'),
        nn.Conv2d(8, 12, 3, padding='same', dilation=(1, 2)),
    ])
    originals = copy.deepcopy(model)
    replace_convs(model, EXACT, init='project')
    x = torch.randn(2, 8, 9, 11)
    for layer, conv in zip(model, originals):
        torch.testing.assert_close(layer(x), conv(x), atol=1e-5, rtol=0)
        assert (layer.bias is None) == (conv.bias is None)


def test_wider_scales_keep_the_output_size():
    model = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1))
    size = model(torch.randn(1, 8, 9, 8)).shape
    replace_convs(model, dict(type='ACDAConv', scales=(3, 5, 7)))
    assert model[0].support == 7
    assert model(torch.randn(1, 8, 9, 8)).shape == size


@pytest.mark.parametrize('options, expected', [
    (dict(include='^0$'), ['0']),
    (dict(include=['^0$', '5']), ['0', '5.0']),
    (dict(exclude='^3$'), ['5.0']),
    (dict(include='.', exclude='5'), ['0', '3']),
    (dict(predicate=lambda name, conv: conv.stride[0] > 1), ['3']),
    (dict(include='.', predicate=lambda name, conv: name == '0'), ['0']),
    (dict(predicate=lambda name, conv: False), []),
])
def test_selection(options, expected):
    assert names(replace_convs(small_net(), **options).replaced) == expected


def test_what_cannot_be_replaced_says_why():

    class OwnConv(nn.Conv2d):
        pass

    pair = nn.ModuleList([nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)])
    pair[1].weight = pair[0].weight
    pruned = nn.Conv2d(8, 8, 3)
    prune.random_unstructured(pruned, 'weight', 0.5)
    frozen = nn.Conv2d(8, 8, 3).requires_grad_(False)
    model = nn.ModuleDict(
        dict(
            even=nn.Conv2d(8, 8, 4),
            flat=nn.Conv2d(8, 8, (1, 3)),
            own=OwnConv(8, 8, 3),
            spectral=parametrizations.spectral_norm(nn.Conv2d(8, 8, 3)),
            pruned=pruned,
            pair=pair,
            frozen=frozen,
            fits=nn.Conv2d(8, 8, 3)))
    report = replace_convs(model)
    assert names(report.replaced) == ['fits']
    found = reasons(report)
    for name, reason in (('even', 'square and odd'), ('flat', 'square and'),
                         ('own', 'OwnConv'), ('spectral', 'parametrized'),
                         ('pruned', 'parametrized'),
                         ('pair.0', 'shares its weight'),
                         ('pair.1', 'shares its weight'),
                         ('frozen', 'frozen')):
        assert reason in found[name]
    text = str(report)
    for name in ('fits', 'own', 'spectral'):
        assert name in text
    assert '1 convolutions replaced, 8 skipped' in text


def test_frozen_convolution_stays_frozen():
    model = nn.Sequential(nn.Conv2d(8, 8, 3).requires_grad_(False))
    replace_convs(model, include='0', init='project')
    assert not any(p.requires_grad for p in model.parameters())
    model = nn.Sequential(nn.Conv2d(8, 8, 3))
    model[0].bias.requires_grad_(False)
    replace_convs(model)
    assert [n for n, p in model.named_parameters() if not p.requires_grad
            ] == ['0.bias']


def test_shared_module_stays_shared():

    class Twice(nn.Module):

        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(8, 8, 3, padding=1)
            self.block = nn.Sequential(self.first, nn.ReLU())
            self.again = self.block

        def forward(self, x):
            return self.again(self.block(self.first(x)))

    model = Twice()
    x = torch.randn(1, 8, 6, 6)
    expected = model(x)
    report = replace_convs(model, EXACT, init='project')
    assert names(report.replaced) == ['first']
    assert model.first is model.block[0] is model.again[0]
    assert isinstance(model.first, ACDAConv)
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=0)
    # Any of its names selects or keeps a shared module.
    assert not replace_convs(Twice(), exclude='block').replaced
    assert len(replace_convs(Twice(), include='^block').replaced) == 1


@pytest.mark.parametrize('scale', [0.1, 1])
@pytest.mark.parametrize('options', [
    dict(scales=(3, 5, 7)),
    dict(atom_bases=None, num_atoms=4)
])
def test_cold_start_keeps_the_size_of_the_filters(options, scale):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1, bias=False))
    nn.init.kaiming_normal_(model[0].weight)
    model[0].weight.data *= scale
    x = torch.randn(4, 32, 16, 16)
    expected = model(x).std().item()
    replace_convs(model, dict(type='ACDAConv', **options))
    assert model(x).std().item() == pytest.approx(expected, rel=0.2)


def test_dtype_device_and_mode_are_kept():
    model = nn.Sequential(
        nn.Conv2d(8, 8, 3).double().eval(),
        nn.Conv2d(8, 8, 3, device='meta').half())
    replace_convs(model)
    assert {p.dtype for p in model[0].parameters()} == {torch.float64}
    assert not any(m.training for m in model[0].modules())
    assert model[1].training
    assert {(p.device.type, p.dtype)
            for p in model[1].parameters()} == {('meta', torch.half)}


def test_hooks_go_along_and_can_be_removed():
    model = nn.Sequential(nn.Conv2d(8, 8, 3))
    seen = []
    handles = [
        model[0].register_forward_pre_hook(lambda *a: seen.append('pre')),
        model[0].register_forward_hook(
            lambda m, *a: seen.append(type(m).__name__)),
        model[0].register_full_backward_hook(lambda *a: seen.append('back')),
    ]
    replace_convs(model)
    x = torch.randn(1, 8, 6, 6, requires_grad=True)
    model(x).sum().backward()
    assert seen == ['pre', 'ACDAConv', 'back']
    for handle in handles:
        handle.remove()
    model(x).sum().backward()
    assert len(seen) == 3


def test_mmcv_conv_module():
    module = ConvModule(8, 8, 3, padding=1, norm_cfg=dict(type='BN'),
                        conv_cfg=dict(type='Conv'))
    expected = (module.eval(), module(torch.ones(1, 8, 5, 5)))[1]
    report = replace_convs(module, EXACT, init='project')
    assert names(report.replaced) == ['conv']
    torch.testing.assert_close(
        module(torch.ones(1, 8, 5, 5)), expected, atol=1e-5, rtol=0)


def test_twice_changes_nothing_more():
    model = small_net()
    replace_convs(model)
    keys = list(model.state_dict())
    assert not replace_convs(model).replaced
    assert list(model.state_dict()) == keys


def test_checkpoint_names():
    model = nn.Sequential(nn.Conv2d(8, 8, 3))
    replace_convs(model)
    keys = {k for k in model.state_dict() if 'norm' not in k}
    assert keys == {
        '0.weight', '0.bias', '0._extra_state',
        '0.atom_generator.conv1.weight',
        '0.atom_generator.conv2.weight'
    }


def test_pattern_without_a_match_names_the_nearest():
    model = nn.ModuleDict(
        dict(layer1=nn.Conv2d(8, 8, 3), head=nn.Conv2d(8, 8, 3)))
    for option in ('include', 'exclude'):
        with pytest.raises(ValueError, match=f"{option}='layr1'.*layer1"):
            replace_convs(model, **{option: ['head', 'layr1']})
    assert type(model['head']) is nn.Conv2d


@pytest.mark.parametrize('arguments, error, message', [
    (dict(conv_cfg=dict(num_atoms=6)), TypeError, 'type'),
    (dict(conv_cfg=dict(type='ACDAConv', stride=2)), ValueError, 'stride'),
    (dict(conv_cfg=dict(type='ACDAConv', num_atom=2)), TypeError,
     '3: .*num_atom'),
    (dict(init='zero'), ValueError, "'project'"),
    (dict(include='('), ValueError, 'not a regular expression'),
])
def test_wrong_arguments(arguments, error, message):
    model = small_net()
    with pytest.raises(error, match=message):
        replace_convs(model, **arguments)
    assert not any(isinstance(m, ACDAConv) for m in model.modules())


def test_a_single_convolution_is_no_model():
    with pytest.raises(TypeError, match='children'):
        replace_convs(nn.Conv2d(8, 8, 3))


def test_torchvision_style_resnet_keeps_its_outputs():
    """A model outside OpenMMLab: 1e-5 through the whole depth."""
    torchvision = pytest.importorskip('torchvision')
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=10)
    x = torch.randn(2, 3, 48, 48)
    for training in (False, True):
        original = copy.deepcopy(model).train(training)
        converted = copy.deepcopy(model).train(training)
        report = replace_convs(converted, EXACT, init='project')
        assert len(report.replaced) == 16
        assert min(record.energy for record in report.replaced) > 1 - 1e-9
        torch.testing.assert_close(
            converted(x), original(x), atol=1e-5, rtol=0)

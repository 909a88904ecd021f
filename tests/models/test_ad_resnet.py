"""Ad-ResNet: sizes, ResNet's API, and its life inside mmpretrain."""
import pytest
import torch
import torch.nn as nn
from mmengine.registry import MODELS
from torch.nn.modules.batchnorm import _BatchNorm

from mmacda.layers import ACDAConv
from mmacda.models import AdResNet

TINY = dict(stage_widths=(8, 8, 12, 16), stage_blocks=(1, 1, 2, 1))
ALL_STAGES = (0, 1, 2, 3)
# From the design: (widths, blocks) and millions of parameters with a
# classifier of 1000 classes.
FAMILY = dict(
    s=((64, 128, 256, 512), (2, 2, 2, 2), 3.62),
    m=((64, 128, 512, 1024), (2, 2, 2, 2), 9.64),
    l=((64, 128, 512, 1024), (2, 3, 8, 3), 18.12))


def tiny(seed=0, **kwargs):
    torch.manual_seed(seed)
    return AdResNet(TINY, **{'stem_channels': 8, **kwargs})


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


def conv(in_channels, out_channels, kernel):
    """A convolution without bias and the norm after it."""
    return in_channels * out_channels * kernel**2 + 2 * out_channels


def acda(channels):
    """6 atoms over 18 bases, and the norm; generator 3x3, 64 wide."""
    return (channels * 6 * channels + conv(channels, 64, 3) +
            conv(64, 6 * 18, 3) + 2 * channels)


def expected_parameters(widths, blocks, conv_type):
    total, channels = conv(3, 64, 7), 64
    for stage, (width, num_blocks) in enumerate(zip(widths, blocks)):
        for block in range(num_blocks):
            if stage < 2:
                total += conv(channels, width, 3) + conv(width, width, 3)
            else:
                middle = width // 2
                total += conv(channels, middle, 1) + conv(middle, width, 1)
                total += (
                    acda(middle)
                    if conv_type == 'acda' else conv(middle, middle, 3))
            if block == 0 and stage > 0:
                total += conv(channels, width, 1)
            channels = width
    return total


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
@pytest.mark.parametrize('arch', FAMILY)
def test_parameter_count(arch, conv_type):
    widths, blocks, millions = FAMILY[arch]
    model = AdResNet(arch, conv_type=conv_type)
    count = num_parameters(model)
    assert count == expected_parameters(widths, blocks, conv_type)
    assert model.feat_dim == widths[-1]
    if conv_type == 'acda':
        classifier = 1001 * widths[-1] + 1000 - widths[-1]
        assert round((count + classifier) / 1e6, 2) == millions


def test_adaptive_layers_are_the_papers():
    layers = [m for m in AdResNet('s').modules() if isinstance(m, ACDAConv)]
    assert [m.in_channels for m in layers] == [128, 128, 256, 256]
    for layer in layers:
        assert layer.num_atoms == 6
        assert layer.atom_bases.shape == (18, 7, 7)


def test_twin_differs_in_the_adaptive_layers_only():
    adaptive, twin = tiny(), tiny(conv_type='conv')
    assert not any(isinstance(m, ACDAConv) for m in twin.modules())
    names = {
        name: m.out_channels
        for name, m in adaptive.named_modules() if isinstance(m, ACDAConv)
    }
    for name, channels in names.items():
        other = twin.get_submodule(name)
        assert type(other) is nn.Conv2d
        assert other.weight.shape == (channels, channels, 3, 3)

    def others(model):
        return {
            key: value.shape
            for key, value in model.state_dict().items()
            if not key.startswith(tuple(names))
        }

    assert others(adaptive) == others(twin)


@pytest.mark.parametrize('size', [(64, 64), (61, 45), (33, 97), (1, 1)])
@pytest.mark.parametrize('stem', [
    dict(),
    dict(max_pool=False),
    dict(cifar_stem=True, max_pool=False),
])
def test_feature_sizes(size, stem):
    model = tiny(out_indices=ALL_STAGES, **stem).eval()
    with torch.no_grad():
        features = model(torch.rand(2, 3, *size))
    halvings = 2 - bool(stem.get('cifar_stem')) - ('max_pool' in stem)
    assert isinstance(features, tuple) and len(features) == 4
    for stage, feature in enumerate(features):
        step = 2**(halvings + stage)
        expected = tuple(-(-length // step) for length in size)
        assert feature.shape == (2, TINY['stage_widths'][stage], *expected)
        assert feature.isfinite().all()


def test_out_indices_select_stages():
    x = torch.rand(1, 3, 40, 40)
    everything = tiny(out_indices=ALL_STAGES).eval()(x)
    some = tiny(out_indices=(1, 3)).eval()(x)
    assert len(some) == 2
    assert torch.equal(some[0], everything[1])
    assert torch.equal(some[1], everything[3])


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
def test_every_parameter_gets_a_gradient(conv_type):
    # A batch norm in training mode cancels the bias before it.
    model = tiny(conv_type=conv_type, norm_eval=True).train()
    sum(f.square().sum()
        for f in model(torch.rand(2, 3, 48, 48))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_checkpointing_changes_nothing():
    x = torch.rand(2, 3, 48, 48, dtype=torch.float64)
    results = []
    for with_cp in (False, True):
        model = tiny(with_cp=with_cp, out_indices=ALL_STAGES).double()
        image = x.clone().requires_grad_()
        features = model(image)
        sum(f.square().sum() for f in features).backward()
        results.append(
            [*features, image.grad, *[p.grad for p in model.parameters()]])
    for plain, checkpointed in zip(*results):
        torch.testing.assert_close(checkpointed, plain)


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 3, 4])
def test_frozen_stages_stay_frozen(frozen_stages):
    model = tiny(frozen_stages=frozen_stages)
    model.init_weights()
    model.train()
    frozen = ('conv1', 'bn1') if frozen_stages >= 0 else ()
    frozen += tuple(f'layer{i + 1}' for i in range(frozen_stages))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    if frozen_stages < 4:
        optimizer = torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad], lr=0.1)
        model(torch.rand(2, 3, 48, 48))[0].square().sum().backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        is_frozen = name.split('.')[0] in frozen
        assert parameter.requires_grad is not is_frozen, name
    for name, value in model.state_dict().items():
        if name.split('.')[0] in frozen:
            assert torch.equal(value, before[name]), name
    changed = {
        name.split('.')[0]
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    everything = {'conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4'}
    assert changed <= everything - set(frozen)
    assert ('layer4' in changed) is (frozen_stages < 4)


def test_norm_eval_keeps_running_statistics():
    model = tiny(norm_eval=True).train()
    assert model.training and model.layer3.training
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    assert norms and not any(m.training for m in norms)
    before = [m.running_mean.clone() for m in norms]
    model(torch.rand(2, 3, 48, 48))
    assert all(map(torch.equal, before, [m.running_mean for m in norms]))


def test_init_weights_spares_the_adaptive_layers():
    model = tiny()
    adaptive = {
        f'{name}.{key}': value.clone()
        for name, layer in model.named_modules()
        if isinstance(layer, ACDAConv)
        for key, value in layer.state_dict().items()
    }
    stem = model.conv1.weight.clone()
    model.init_weights()
    state = model.state_dict()
    assert len(adaptive) > 30
    for key, value in adaptive.items():
        assert torch.equal(state[key], value), key
    assert not torch.equal(model.conv1.weight, stem)


def test_default_init_is_kaiming_fan_out():
    model = AdResNet('s')
    model.init_weights()
    # layer2.1.conv1: 128 -> 128, 3x3.
    weight = model.layer2[1].conv1.weight
    expected = (2 / (128 * 9))**0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.01)
    assert (model.bn1.weight == 1).all() and (model.bn1.bias == 0).all()


@pytest.mark.parametrize('zero_init_residual', [True, False])
def test_zero_init_residual(zero_init_residual):
    model = tiny(zero_init_residual=zero_init_residual)
    model.init_weights()
    last = [
        model.get_submodule(name) for name in ('layer1.0.bn2', 'layer2.0.bn2',
                                               'layer3.0.bn3', 'layer3.1.bn3',
                                               'layer4.0.bn3')
    ]
    expected = 0 if zero_init_residual else 1
    assert all((norm.weight == expected).all() for norm in last)
    assert (model.layer3[0].bn2.weight == 1).all()


def test_pretrained_init_cfg_loads(tmp_path):
    source = tiny(seed=1).eval()
    path = tmp_path / 'backbone.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    model = tiny(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    x = torch.rand(1, 3, 40, 40)
    assert torch.equal(model.eval()(x)[0], source(x)[0])


def test_acda_cfg_reaches_the_layers():
    model = tiny(
        acda_cfg=dict(
            num_atoms=3, scales=(3, 5), atom_generator=dict(kernel_size=1)))
    layer = model.layer3[0].conv2
    assert layer.num_atoms == 3
    assert layer.atom_bases.shape == (12, 5, 5)
    assert layer.atom_generator.conv1.kernel_size == (1, 1)
    direct = tiny(acda_cfg=dict(atom_bases=None)).layer4[0].conv2
    assert direct.atom_bases is None and direct.num_coefficients == 9


def test_conv_norm_and_act_cfg():
    model = tiny(
        norm_cfg=dict(type='GN', num_groups=2),
        act_cfg=dict(type='GELU'),
        acda_cfg=dict(
            atom_generator=dict(norm_cfg=dict(type='GN', num_groups=2))))
    assert not any(isinstance(m, _BatchNorm) for m in model.modules())
    assert not any(isinstance(m, nn.ReLU) for m in model.modules())
    model.init_weights()
    assert model.train()(torch.rand(1, 3, 17, 17))[0].isfinite().all()
    # conv_cfg goes to every convolution but the adaptive ones.
    everywhere = tiny(conv_cfg=dict(type='ACDAConv'), conv_type='conv')
    assert not any(type(m) is nn.Conv2d for m in everywhere.modules())


def test_architecture_of_your_own():
    model = AdResNet(
        dict(stage_widths=(4, 6), stage_blocks=(1, 1), dynamic_stages=(0, )),
        stem_channels=4,
        out_indices=(0, 1))
    adaptive = [n for n, m in model.named_modules() if isinstance(m, ACDAConv)]
    assert adaptive == ['layer1.0.conv2']
    features = model(torch.rand(2, 3, 32, 32))
    assert [f.shape[1] for f in features] == [4, 6]


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='xl'), 'arch must be one of'),
    (dict(arch=50), 'arch must be one of'),
    (dict(arch=dict(widths=(8, ))), 'stage_widths'),
    (dict(arch=dict(stage_widths=(8, ), stage_blocks=(1, 1))), 'per stage'),
    (dict(arch=dict(stage_widths=(8, ), stage_blocks=(0, ))), 'per stage'),
    (dict(conv_type='dcn'), 'conv_type must be one of'),
    (dict(out_indices=(4, )), 'out_indices must be between 0 and 3'),
    (dict(out_indices=(-1, )), 'out_indices must be between 0 and 3'),
    (dict(frozen_stages=5), 'frozen_stages must be between -1 and 4'),
])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        AdResNet(**kwargs)


def test_shallow_stages_are_resnet18s():
    backbones = pytest.importorskip('mmpretrain.models.backbones')
    torch.manual_seed(0)
    resnet = backbones.ResNet(18, out_indices=(0, 1))
    resnet.eval()
    model = AdResNet('s', out_indices=(0, 1)).eval()
    shared = {
        key: value
        for key, value in resnet.state_dict().items()
        if not key.startswith(('layer3', 'layer4'))
    }
    missing, unexpected = model.load_state_dict(shared, strict=False)
    assert not unexpected
    assert all(key.startswith(('layer3', 'layer4')) for key in missing)
    x = torch.rand(1, 3, 67, 50)
    with torch.no_grad():
        for ours, theirs in zip(model(x), resnet(x)):
            assert torch.equal(ours, theirs)


def test_feature_pyramid():
    bricks = pytest.importorskip('mmcv.cnn')
    model = tiny(out_indices=ALL_STAGES)
    features = model(torch.rand(2, 3, 61, 45))
    lateral = nn.ModuleList(
        bricks.ConvModule(width, 8, 1, norm_cfg=dict(type='BN'))
        for width in TINY['stage_widths'])
    merged = lateral[3](features[3])
    for conv1x1, feature in zip(lateral[2::-1], features[2::-1]):
        merged = conv1x1(feature) + nn.functional.interpolate(
            merged, size=feature.shape[2:])
    assert merged.shape == (2, 8, 16, 12)
    merged.sum().backward()
    assert model.layer4[0].conv2.weight.grad.abs().sum() > 0


def test_mmpretrain_classifier_and_neck():
    pytest.importorskip('mmpretrain.models')
    from mmengine.registry import DefaultScope
    from mmpretrain.structures import DataSample
    cfg = dict(
        type='ImageClassifier',
        backbone=dict(type='AdResNet', arch=TINY, stem_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=16))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg)
        neck = MODELS.build(
            dict(type='mmpretrain.HRFuseScales', in_channels=(8, 8, 12, 16)))
    model.init_weights()
    samples = [DataSample().set_gt_label(i) for i in (1, 4)]
    loss = model.loss(torch.rand(2, 3, 33, 47), samples)['loss']
    loss.backward()
    assert loss.isfinite()
    assert model.head.fc.weight.grad.abs().sum() > 0
    predictions = model.eval().predict(torch.rand(2, 3, 33, 47))
    assert all(p.pred_score.sum().item() == pytest.approx(1, abs=1e-5)
               for p in predictions)
    pyramid = tiny(out_indices=ALL_STAGES).eval()(torch.rand(1, 3, 64, 64))
    assert neck.eval()(pyramid)[0].shape[-2:] == (2, 2)

"""conv_cfg=dict(type='ACDAConv') in mmcv, mmpretrain and mmagic."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_conv_layer
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope

from mmacda.layers import ACDAConv

CONV_CFG = dict(type='ACDAConv')


def draw(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator)


def conv_module(*args, **kwargs):
    torch.manual_seed(0)
    return ConvModule(4, 8, *args, conv_cfg=CONV_CFG, **kwargs)


def acda_layers(model):
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, ACDAConv)
    }


def check_gradients(model):
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_build_conv_layer_passes_options():
    layer = build_conv_layer(
        dict(CONV_CFG, scales=(3, 5), num_atoms=2), 4, 8, 3, padding=1)
    assert isinstance(layer, ACDAConv)
    assert layer.num_atoms == 2 and layer.num_coefficients == 12


@pytest.mark.parametrize('options', [
    dict(),
    dict(stride=2),
    dict(dilation=2),
    dict(groups=4),
    dict(norm_cfg=dict(type='BN')),
    dict(norm_cfg=dict(type='GN', num_groups=2)),
    dict(act_cfg=None, bias=False),
    dict(bias=True),
    dict(act_cfg=dict(type='LeakyReLU', negative_slope=0.2)),
    dict(act_cfg=dict(type='Tanh')),
    dict(inplace=False),
    dict(with_spectral_norm=True),
    dict(padding_mode='reflect'),
    dict(padding_mode='circular'),
    dict(norm_cfg=dict(type='BN'), order=('norm', 'conv', 'act')),
    dict(norm_cfg=dict(type='BN'), order=('act', 'conv', 'norm')),
    dict(norm_cfg=dict(type='BN'), efficient_conv_bn_eval=True),
],
                         ids=str)
def test_conv_module_options(options):
    module = conv_module(3, padding=1, **options)
    assert isinstance(module.conv, ACDAConv)
    plain = ConvModule(4, 8, 3, padding=1, **options)
    for name in ('in_channels', 'out_channels', 'kernel_size', 'stride',
                 'padding', 'dilation', 'transposed', 'output_padding',
                 'groups', 'with_bias'):
        assert getattr(module, name) == getattr(plain, name), name
    assert (module.conv.bias is None) == (plain.conv.bias is None)
    x = draw(2, 4, 9, 8)
    output = module(x.clone())  # some orders activate it in place
    assert output.shape == plain(x.clone()).shape
    (output * draw(*output.shape)).sum().backward()
    check_gradients(module)


@pytest.mark.parametrize('act_cfg', [
    dict(type='ReLU'), dict(type='LeakyReLU'), None
], ids=str)
def test_conv_module_keeps_the_layers_initialisation(act_cfg):
    module = conv_module(3, padding=1, act_cfg=act_cfg)
    torch.manual_seed(0)
    layer = ACDAConv(4, 8, 3, padding=1)
    state = module.conv.state_dict()
    for name, value in layer.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_conv_module_pads_explicitly():
    module = conv_module(3, padding=1, padding_mode='reflect').eval()
    assert module.conv.padding == (0, 0)
    x = draw(2, 4, 9, 8)
    expected = module.conv(F.pad(x, (1, ) * 4, mode='reflect')).relu()
    assert torch.equal(module(x), expected)


def test_conv_module_spectral_norm():
    module = conv_module(3, padding=1, with_spectral_norm=True)
    x = draw(2, 4, 9, 8)
    for _ in range(50):
        module(x)
    largest = torch.linalg.matrix_norm(module.conv.weight.flatten(1), 2)
    assert largest.item() == pytest.approx(1, abs=1e-3)
    assert {'conv.weight_orig', 'conv.weight_u'} <= set(module.state_dict())


def test_conv_module_efficient_conv_bn_eval():
    """The norm folded into the weights gives what the norm gives."""
    options = dict(padding=1, norm_cfg=dict(type='BN'))
    module = conv_module(3, **options)
    efficient = conv_module(3, **options, efficient_conv_bn_eval=True)
    x = draw(4, 4, 9, 8)
    module(x)
    efficient.load_state_dict(module.state_dict())
    assert module.bn.running_mean.any()
    torch.testing.assert_close(
        efficient.eval()(x), module.eval()(x), rtol=1e-4, atol=1e-5)


def test_build_from_any_scope():
    with DefaultScope.overwrite_default_scope('mmengine'):
        layer = MODELS.build(
            dict(CONV_CFG, in_channels=4, out_channels=8, kernel_size=3))
    assert isinstance(layer, ACDAConv)


@pytest.fixture
def resnet18(tmp_path):
    """mmpretrain's own ResNet-18; a config that changes conv_cfg only."""
    pytest.importorskip('mmpretrain')
    path = tmp_path / 'resnet18_acda.py'
    path.write_text(
        "_base_ = 'mmpretrain::_base_/models/resnet18.py'\n"
        "custom_imports = dict(\n"
        "    imports=['mmacda'], allow_failed_imports=False)\n"
        "model = dict(backbone=dict(conv_cfg=dict(type='ACDAConv')),\n"
        '             head=dict(num_classes=10, topk=(1, )),\n'
        "             data_preprocessor=dict(\n"
        "                 type='ClsDataPreprocessor', num_classes=10))\n",
            encoding='utf-8')
    config = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        torch.manual_seed(0)
        yield MODELS.build(config.model)


def test_mmpretrain_replaces_all_20_convolutions(resnet18):
    layers = acda_layers(resnet18)
    assert len(layers) == 20
    kernels = sorted(layer.kernel_size[0] for layer in layers.values())
    assert kernels == [1] * 3 + [3] * 16 + [7]
    assert not any(isinstance(m, nn.Conv2d) for m in resnet18.modules())


def test_initialisation_survives_mmpretrains_init_weights(resnet18):
    before = {k: v.clone() for k, v in resnet18.state_dict().items()}
    resnet18.init_weights()
    changed = {
        k
        for k, v in resnet18.state_dict().items()
        if not torch.equal(v, before[k])
    }
    assert 'head.fc.weight' in changed, 'init_weights did not run'
    for name in acda_layers(resnet18):
        assert not [k for k in changed if k.startswith(f'{name}.')], name


def test_mmpretrain_training_step(resnet18):
    from mmpretrain.structures import DataSample
    resnet18.init_weights()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        256, (2, 3, 40, 40), dtype=torch.uint8, generator=generator)
    data = dict(
        inputs=list(images),
        data_samples=[DataSample().set_gt_label(n) for n in (3, 7)])
    wrapper = OptimWrapper(torch.optim.SGD(resnet18.parameters(), lr=0.01))
    losses = resnet18.train_step(data, wrapper)
    assert losses['loss'].isfinite()
    # The residual norms started at zero: now the inner layers learn too.
    batch = resnet18.data_preprocessor(data, training=True)
    resnet18.zero_grad()
    resnet18(**batch, mode='loss')['loss'].backward()
    check_gradients(resnet18)
    predictions = resnet18.eval().val_step(data)
    assert [p.pred_score.shape for p in predictions] == [(10, ), (10, )]


def test_mmagic_discriminator():
    """LSGAN's, the mmagic model that hands its conv_cfg on."""
    pytest.importorskip('mmagic.models')
    with DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(
            dict(
                type='LSGANDiscriminator',
                input_scale=32,
                output_scale=8,
                base_channels=4,
                conv_cfg=CONV_CFG))
    layers = acda_layers(model)
    assert len(layers) == 2
    assert all(layer.num_coefficients == 12 for layer in layers.values())
    score = model(draw(2, 3, 32, 32))
    assert score.shape == (2, 1)
    (score * draw(2, 1)).sum().backward()
    check_gradients(model)

"""Ad-ResNet with dilated stages, and arguments of OpenMMLab's ResNets."""
import numpy as np
import pytest
import torch
from torch import nn

from mmacda.layers import ACDAConv
from mmacda.models import AdResNet

TINY = dict(stage_widths=(8, 8, 12, 16), stage_blocks=(1, 2, 2, 3))
ALL_STAGES = (0, 1, 2, 3)
OUTPUT_STRIDES = {
    8: dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    16: dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
    32: dict(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1)),
}


def tiny(**kwargs):
    torch.manual_seed(0)
    return AdResNet(
        TINY, **{
            'stem_channels': 8,
            'out_indices': ALL_STAGES,
            **kwargs
        }).eval()


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
@pytest.mark.parametrize('output_stride', OUTPUT_STRIDES)
@pytest.mark.parametrize('size', [(64, 96), (61, 45)])
def test_output_stride(output_stride, conv_type, size):
    model = tiny(conv_type=conv_type, **OUTPUT_STRIDES[output_stride])
    with torch.no_grad():
        features = model(torch.rand(1, 3, *size))
    for stage, feature in enumerate(features):
        stride = min(4 * 2**stage, output_stride)
        assert feature.shape[2:] == tuple(-(-n // stride) for n in size)
        assert feature.isfinite().all()


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
def test_dilation_changes_no_parameter(conv_type):
    plain = tiny(conv_type=conv_type).state_dict()
    dilated = tiny(
        conv_type=conv_type, contract_dilation=True, multi_grid=(1, 2, 4),
        **OUTPUT_STRIDES[8])
    assert {k: v.shape for k, v in dilated.state_dict().items()} \
        == {k: v.shape for k, v in plain.items()}
    dilated.load_state_dict(plain)


def dilations(model):
    """Of the first convolution that can have one, block by block."""
    return [[(block.conv2 if hasattr(block, 'conv3') else
              block.conv1).dilation[0] for block in getattr(model, name)]
            for name in model.stage_names]


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
@pytest.mark.parametrize('kwargs, expected', [
    (dict(), [[1], [1, 1], [1, 1], [1, 1, 1]]),
    (dict(dilations=(1, 1, 2, 4)), [[1], [1, 1], [2, 2], [4, 4, 4]]),
    (dict(dilations=(1, 1, 2, 4), contract_dilation=True),
     [[1], [1, 1], [1, 2], [2, 4, 4]]),
    (dict(dilations=[1, 1, 1, 2], multi_grid=[1, 2, 4]),
     [[1], [1, 1], [1, 1], [1, 2, 4]]),
    (dict(dilations=(1, 2, np.int64(2), 1)),
     [[1], [2, 2], [2, 2], [1, 1, 1]]),
])
def test_dilations_of_the_blocks(kwargs, expected, conv_type):
    model = tiny(conv_type=conv_type, **kwargs)
    assert dilations(model) == expected
    assert model(torch.rand(1, 3, 40, 40))[-1].isfinite().all()


def test_shallow_stages_are_mmpretrains_dilated():
    backbones = pytest.importorskip('mmpretrain.models.backbones')
    kwargs = dict(
        out_indices=(0, 1), strides=(1, 1, 2, 2), dilations=(1, 2, 1, 1))
    resnet = backbones.ResNet(18, **kwargs)
    resnet.eval()
    model = AdResNet('s', **kwargs).eval()
    shared = {
        key: value
        for key, value in resnet.state_dict().items()
        if not key.startswith(('layer3', 'layer4'))
    }
    assert not model.load_state_dict(shared, strict=False).unexpected_keys
    x = torch.rand(1, 3, 67, 50)
    with torch.no_grad():
        for ours, theirs in zip(model(x), resnet(x)):
            assert torch.equal(ours, theirs)


def test_dilated_and_strided_see_the_same_pixels():
    """The rule behind output strides, on one branch: dilated by 2, it gives
    at every second pixel what it gives on every second pixel undilated.

    The generator's second convolution is never dilated, hence 1x1 here.
    """
    arch = dict(
        stage_widths=(8, 8), stage_blocks=(1, 1), dynamic_stages=(0, 1))
    kwargs = dict(
        stem_channels=8,
        out_indices=(1, ),
        acda_cfg=dict(atom_generator=dict(kernel_size=(3, 1))))
    coarse = AdResNet(arch, strides=(2, 1), **kwargs).eval().double()
    fine = AdResNet(
        arch, strides=(1, 1), dilations=(1, 2), **kwargs).eval().double()
    fine.load_state_dict(coarse.state_dict(), strict=False)
    x = torch.rand(1, 8, 24, 24, dtype=torch.float64)
    ours, theirs = (model.layer2[0]._residual for model in (fine, coarse))
    torch.testing.assert_close(ours(x)[..., ::2, ::2],
                               theirs(x[..., ::2, ::2]), atol=1e-10, rtol=0)


@pytest.mark.parametrize('kwargs, error, message', [
    (dict(strides=(1, 2)), ValueError, 'strides must hold 4 positive'),
    (dict(strides=2), ValueError, 'strides must hold 4 positive'),
    (dict(dilations=(1, 1, 1, 0)), ValueError, 'dilations must hold 4'),
    (dict(dilations=(1, 1, 1, 1.5)), ValueError, 'dilations must hold 4'),
    (dict(multi_grid=(1, 2)), ValueError, 'multi_grid must hold 3.*last'),
    (dict(depth=50), TypeError, "depth.*_delete_=True.*arch='s'"),
    (dict(depth=50, num_stages=4, style='pytorch'), TypeError,
     'no depth, num_stages, style'),
    (dict(dilation=2), TypeError, r"unknown keys \['dilation'\]"),
    (dict(pretrained='a.pth', init_cfg=dict(type='Kaiming')), ValueError,
     'init_cfg and pretrained'),
    (dict(pretrained=3), TypeError, 'path of a checkpoint'),
])
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        tiny(**kwargs)


def test_pretrained_is_init_cfg(tmp_path):
    assert tiny(pretrained=None).init_cfg == tiny().init_cfg
    path = str(tmp_path / 'backbone.pth')
    source = tiny()
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    torch.save(source.state_dict(), path)
    with pytest.warns(DeprecationWarning, match='init_cfg=dict'):
        model = tiny(pretrained=path)
    model.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


def test_a_second_initialization_keeps_the_weights():
    model = tiny()
    model.init_weights()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    model.init_weights()
    assert all((p == 0.5).all() for p in model.parameters())
    assert any(isinstance(m, ACDAConv) for m in model.modules())

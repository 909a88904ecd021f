"""DensityHead: sizes, non-negative output, start, bad input."""
import pytest
import torch
from mmengine.registry import MODELS

from mmacda.models import DensityHead


def build(**options):
    torch.manual_seed(0)
    head = DensityHead(
        **dict(dict(in_channels=8, channels=(6, 4, 4)), **options))
    head.init_weights()
    return head


@pytest.mark.parametrize('kernel_size, strides', [
    (3, (2, 2, 2)), (4, (2, 2, 2)), (2, (2, 2, 2)), (5, (1, 2, 2)),
    (3, (1, 1, 1)), (5, (4, 2, 3))
])
def test_map_is_larger_by_the_strides(kernel_size, strides):
    head = build(kernel_size=kernel_size, strides=strides)
    factor = torch.tensor(strides).prod()
    density = head([torch.rand(2, 8, 5, 7)])
    assert density.shape == (2, 1, 5 * factor, 7 * factor)


@pytest.mark.parametrize('options, words', [
    (dict(kernel_size=4, strides=(1, 2, 2)), 'kernel_size 4'),
    (dict(kernel_size=3, strides=(4, 2, 2)), 'kernel_size 3'),
    (dict(strides=(0, 2, 2)), 'kernel_size 3'),
    (dict(channels=(4, ), strides=(2, 2)), 'one entry per'),
    (dict(channels=(), strides=()), 'one entry per'),
])
def test_bad_layers(options, words):
    with pytest.raises(ValueError, match=words):
        build(**options)


def test_takes_the_map_of_its_index():
    head = build(in_index=0).eval()
    first, second = torch.rand(1, 8, 2, 2), torch.rand(1, 8, 4, 4)
    assert torch.equal(head((first, second)), head((first, )))
    assert build(in_index=-1)((first, second)).shape[-1] == 32


@pytest.mark.parametrize('out_act_cfg', [
    dict(type='ReLU'),
    dict(type='torch.nn.Softplus'), None
])
def test_density_is_negative_only_without_activation(out_act_cfg):
    head = build(out_act_cfg=out_act_cfg, out_bias=-1.)
    density = head([torch.rand(2, 8, 4, 4)])
    assert (density < 0).any() == (out_act_cfg is None)
    # A ReLU that is shut everywhere passes nothing on.
    density.sum().backward()
    alive = head.out_conv.bias.grad.abs() > 0
    assert alive == (out_act_cfg != dict(type='ReLU'))


def test_every_cell_is_alive_at_the_start():
    head = build(in_channels=32, channels=(64, ) * 3)
    features = torch.randn(2, 32, 8, 8).relu_()
    density = head([features])
    assert (density > 0).all()
    torch.testing.assert_close(
        density.mean(), torch.tensor(0.1), rtol=0.5, atol=0)
    density.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_parameters_on_ad_resnet_s():
    """About the 1.5M that the paper's Table 3 leaves for it."""
    head = MODELS.build(dict(type='DensityHead', in_channels=512))
    parameters = sum(p.numel() for p in head.parameters())
    widths = (512, 256, 128, 64)
    expected = sum(9 * a * b + 2 * b for a, b in zip(widths, widths[1:])) + 65
    assert parameters == expected == 1549249

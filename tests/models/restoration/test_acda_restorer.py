"""ACDARestorer against the paper's description and its own definition."""
import runpy
from pathlib import Path

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS

from mmacda.layers import ACDAConv
from mmacda.models import ACDARestorer

ROOT = Path(__file__).parents[3]


def make(**kwargs):
    torch.manual_seed(0)
    kwargs = {**dict(mid_channels=8, num_blocks=2), **kwargs}
    return MODELS.build(dict(type='ACDARestorer', **kwargs)).eval()


def output_size(size, upscale):
    return tuple(upscale * side for side in size)


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
@pytest.mark.parametrize('upscale', [1, 2, 3, 4])
@pytest.mark.parametrize('size', [(1, 1), (7, 10), (16, 12)])
def test_any_size(conv_type, upscale, size):
    model = make(conv_type=conv_type, upscale=upscale)
    x = torch.rand(2, 3, *size, requires_grad=True)
    y = model(x)
    assert y.shape == (2, 3, *output_size(size, upscale))
    assert y.isfinite().all()
    y.square().mean().backward()
    gradients = [x.grad] + [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    names = [n for n, p in model.named_parameters() if not p.grad.any()]
    # One pixel fills one cell: what its neighbours would bring is zero.
    assert size == (1, 1) or not names


def test_padding_repeats_the_last_pixels():
    model = make()
    x = torch.rand(1, 3, 9, 14)
    padded = F.pad(x, (0, 2, 0, 3), mode='replicate')
    assert torch.equal(model(x), model(padded)[:, :, :9, :14])


@pytest.mark.parametrize('upscale', [1, 2, 3, 4])
def test_adds_the_image_itself(upscale):
    model = make(upscale=upscale)
    nn.init.zeros_(model.up_conv2.weight)
    x = torch.rand(1, 3, 8, 12)
    expected = x if upscale == 1 else F.interpolate(
        x, scale_factor=upscale, mode='bicubic')
    assert torch.allclose(model(x), expected)


def test_adds_nothing_to_other_channels():
    """As a denoiser of VDNet, which predicts noise and its variance."""
    model = make(out_channels=6)
    nn.init.zeros_(model.up_conv2.weight)
    assert not model(torch.rand(1, 3, 8, 8)).any()


def test_structure():
    """Two convolutions and unshuffles, bottlenecks, the reverse."""
    model = ACDARestorer(num_blocks=3)
    assert len(model.bottlenecks) == 3
    for block in model.bottlenecks:
        assert isinstance(block.conv2, ACDAConv)
        assert block.conv2.num_atoms == 6
        assert block.conv2.num_coefficients == 18
        widths = (block.conv1.out_channels, block.conv2.in_channels,
                  block.conv2.out_channels, block.conv3.in_channels)
        assert widths == (64, 64, 64, 64)
    sizes = []
    for layer in (model.unshuffle2, model.bottlenecks, model.shuffle2):
        layer.register_forward_hook(
            lambda module, args, out: sizes.append(tuple(out.shape)))
    model(torch.rand(1, 3, 32, 48))
    assert sizes == [(1, 128, 8, 12), (1, 128, 8, 12), (1, 3, 32, 48)]


@pytest.mark.parametrize('upscale, body', [(1, (6, 9)), (2, (12, 18)),
                                           (3, (24, 36)), (4, (24, 36))])
def test_bottlenecks_work_at_a_fraction_of_the_output(upscale, body):
    model, sizes = make(upscale=upscale), []
    model.bottlenecks.register_forward_hook(
        lambda module, args, out: sizes.append(tuple(out.shape[2:])))
    model(torch.rand(1, 3, 24, 36))
    assert sizes == [body]


def test_twin_differs_in_the_middle_convolutions_alone():
    acda, conv = make(), make(conv_type='conv')

    def outside(model):
        return {
            name: p.shape
            for name, p in model.named_parameters() if '.conv2.' not in name
        }

    assert outside(acda) == outside(conv)
    assert not any(isinstance(m, ACDAConv) for m in conv.modules())
    assert conv.bottlenecks[0].conv2.weight.shape == (8, 8, 3, 3)


@pytest.mark.parametrize('upscale', [1, 2, 3, 4])
def test_acda_has_no_more_parameters_than_its_twin(upscale):
    """With the 1x1 generator, not with the 3x3 one; counted by hand."""
    tool = runpy.run_path(
        str(ROOT / 'tools/analysis/restorer_parameters.py'))
    counts = list(tool['count_parameters'](
        num_blocks=5, upscale=upscale).values())
    # 1x1: 64 -> 64 -> 108 and two norms; composition 64 * 6 -> 64, bias.
    generator = 64 * 64 + 64 * 108 + 2 * (64 + 108)
    acda = generator + 64 * 6 * 64 + 64
    conv = 64 * 64 * 9 + 64
    assert counts[2] - counts[0] == 5 * (conv - acda) > 0
    assert counts[1] - counts[0] == 5 * 8 * (64 * 64 + 64 * 108)
    assert counts[1] > counts[2]


@pytest.mark.parametrize('kwargs', [
    dict(), dict(conv_type='conv'), dict(upscale=2), dict(upscale=3),
    dict(upscale=4), dict(acda_cfg=dict(scales=(3, 5))),
    dict(acda_cfg=dict(atom_generator=dict(kernel_size=3), scales=(3, )))
])
def test_receptive_radius(kwargs):
    """No output sees more; within a cell of the trunk, some see as much."""
    model = make(num_blocks=1, **kwargs).double()
    radius, scale = model.receptive_radius, model.upscale
    side = 4 * (radius // 2 + 3)
    seen = 0
    for pixel in range(side // 2, side // 2 + 4):
        x = torch.rand(1, 3, side, side, dtype=torch.double,
                       requires_grad=True)
        at = pixel * scale + scale // 2
        model(x)[0, :, at, at].sum().backward()
        rows = x.grad[0].abs().sum((0, 2)).nonzero().ravel()
        columns = x.grad[0].abs().sum((0, 1)).nonzero().ravel()
        for found in (rows, columns):
            seen = max(seen, int(abs(found - pixel).max()))
    assert radius - 4 <= seen <= radius


def test_options_of_the_adaptive_layers():
    model = make(acda_cfg=dict(num_atoms=4, scales=(3, 5, 7, 9)))
    layer = model.bottlenecks[0].conv2
    assert (layer.num_atoms, layer.num_coefficients) == (4, 24)
    assert layer.atom_generator.conv1.kernel_size == (1, 1)
    model = make(acda_cfg=dict(atom_generator=dict(norm_cfg=None)))
    assert model.bottlenecks[0].conv2.atom_generator.conv1.kernel_size == (1,
                                                                           1)
    model = make(acda_cfg=dict(type='Conv2d', groups=2))
    assert model.bottlenecks[0].conv2.weight.shape == (8, 4, 3, 3)


def test_starts_near_the_identity_and_stays_so_in_a_runner():
    model = make(mid_channels=16, num_blocks=8)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.init_weights()
    after = model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    x = torch.rand(2, 3, 32, 32)
    assert (model(x) - x).std() < 0.5 * x.std()


def test_checkpointing_gives_the_same():
    x = torch.rand(1, 3, 8, 8)
    plain, frugal = make(), make(with_cp=True)
    frugal.load_state_dict(plain.state_dict())
    for model in (plain, frugal):
        model(x).square().sum().backward()
    for a, b in zip(plain.parameters(), frugal.parameters()):
        assert torch.allclose(a.grad, b.grad)


@pytest.mark.parametrize('kwargs, message', [
    (dict(conv_type='atoms'), r"conv_type must be one of .*'atoms'"),
    (dict(upscale=8), r'upscale must be one of \(1, 2, 3, 4\), but got 8'),
    (dict(num_blocks=0), 'num_blocks must be a positive integer'),
    (dict(mid_channels=9), 'mid_channels must be even'),
    (dict(in_channels=1.5), 'in_channels must be a positive integer'),
])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)

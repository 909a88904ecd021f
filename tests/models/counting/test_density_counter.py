"""DensityCounter: loss, gradients, any size, counts."""
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, OPTIM_WRAPPERS

from mmacda.structures import CountingDataSample

SMALL = dict(
    type='AdResNet',
    arch=dict(stage_widths=(8, 8, 16, 16), stage_blocks=(1, 1, 1, 1)),
    stem_channels=8,
    max_pool=False,
    zero_init_residual=False)
HEAD = dict(type='DensityHead', in_channels=16, channels=(8, 8, 8))
PREPROCESSOR = dict(
    type='ImgDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_size_divisor=16)


def build(**options):
    torch.manual_seed(0)
    cfg = dict(
        type='DensityCounter',
        backbone=SMALL,
        head=HEAD,
        data_preprocessor=PREPROCESSOR)
    cfg.update(options)
    return MODELS.build(cfg)


def batch(*shapes, with_density=True):
    """Images and samples as the data loader gives them."""
    torch.manual_seed(1)
    inputs = [
        torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
        for shape in shapes
    ]
    samples = []
    for shape in shapes:
        sample = CountingDataSample(metainfo=dict(img_shape=shape))
        if with_density:
            sample.gt_density = torch.rand(1, *shape) / 100
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def run(model, data, mode):
    return model(**model.data_preprocessor(data), mode=mode)


@pytest.mark.parametrize('factor', [100., 1.])
@pytest.mark.parametrize('shapes', [
    [(32, 48), (32, 48)],
    [(33, 47)],
    [(32, 48), (17, 31), (5, 64)],
])
def test_loss_is_its_definition(shapes, factor):
    """Mean square over the 2 x 2 cells that hold a pixel of an image."""
    model, data = build(density_factor=factor).eval(), batch(*shapes)
    loss = run(model, data, 'loss')['loss_density']
    cells = run(model, data, 'tensor')
    total, number = 0., 0
    for cell, sample in zip(cells, data['data_samples']):
        height, width = sample.img_shape
        truth = F.pad(sample.gt_density, (0, width % 2, 0, height % 2))
        truth = F.avg_pool2d(truth, 2) * 4 * factor
        cell = cell[:, :truth.shape[1], :truth.shape[2]]
        total += (cell - truth).square().sum()
        number += truth.numel()
    torch.testing.assert_close(loss, total / number)


def test_loss_from_the_registry():
    model, data = build(loss=dict(type='torch.nn.L1Loss')).eval(), batch(
        (32, 32))
    cells = run(model, data, 'tensor')
    truth = F.avg_pool2d(data['data_samples'][0].gt_density, 2) * 400
    torch.testing.assert_close(
        run(model, data, 'loss')['loss_density'],
        (cells[0] - truth).abs().mean())


def test_density_may_come_in_cells():
    model, data = build().eval(), batch((33, 47))
    expected = run(model, data, 'loss')['loss_density']
    sample = data['data_samples'][0]
    padded = F.pad(sample.gt_density, (0, 1, 0, 1))
    sample.gt_density = F.avg_pool2d(padded, 2) * 4
    torch.testing.assert_close(
        run(model, data, 'loss')['loss_density'], expected)
    sample.gt_density = sample.gt_density[:, :-1]
    with pytest.raises(ValueError, match='with stride 1 or 2'):
        run(model, data, 'loss')


@pytest.mark.parametrize('conv_type', ['acda', 'conv'])
def test_gradients_reach_everything(conv_type):
    model = build(backbone=dict(SMALL, conv_type=conv_type)).train()
    run(model, batch((48, 48), (48, 48)), 'loss')['loss_density'].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('shape', [(64, 96), (65, 97), (63, 81), (5, 7)])
def test_count_is_the_sum_of_the_map_of_any_size(shape):
    model = build(head=dict(HEAD, out_bias=1.)).eval()
    model.head.init_weights()
    sample, = model.test_step(batch(shape, with_density=False))
    assert sample.pred_density.shape == (1, *shape)
    assert sample.pred_count > 0
    total = sample.pred_density.sum(dtype=torch.float64).item()
    assert sample.pred_count == pytest.approx(total, rel=1e-5)
    # The cells of the padding are not in the sum.
    cells = run(model, batch(shape, with_density=False), 'tensor')[0] / 100
    height, width = (-(-n // 2) for n in shape)
    expected = cells[:, :height, :width].sum().item()
    assert sample.pred_count == pytest.approx(expected, rel=1e-5)


def test_padding_is_zeros_after_normalisation():
    """So an image counts as one that is padded with the mean colour."""
    model = build().eval()
    data = batch((40, 50), with_density=False)
    padded = run(model, data, 'tensor')
    mean = torch.tensor(PREPROCESSOR['mean'][::-1]).view(3, 1, 1)
    image = mean.expand(3, 48, 64).clone()
    image[:, :40, :50] = data['inputs'][0]
    whole = run(
        model,
        dict(inputs=[image], data_samples=batch((48, 64))['data_samples']),
        'tensor')
    torch.testing.assert_close(padded, whole, rtol=1e-4, atol=1e-5)


def test_predicts_without_samples_and_pads_by_itself():
    model = build().eval()
    images = torch.rand(2, 3, 33, 40)
    samples = model(images, mode='predict')
    assert [s.pred_density.shape for s in samples] == [(1, 33, 40)] * 2
    assert model(images).shape == (2, 1, 24, 24)


def test_images_of_one_size_do_not_depend_on_the_batch():
    model = build().eval()
    data = batch((40, 50), (40, 50), with_density=False)
    together = [s.pred_count for s in model.test_step(data)]
    data = batch((40, 50), (40, 50), with_density=False)
    singly = [
        model.test_step(dict(inputs=[image], data_samples=[sample]))
        for image, sample in zip(data['inputs'], data['data_samples'])
    ]
    assert together == pytest.approx([s[0].pred_count for s in singly])


def test_half_precision_sums_in_single():
    """65,504 is half precision's end, and 2,048 where it skips integers."""
    model = build().eval()
    scaled = torch.full((1, 1, 128, 128), 100, dtype=torch.float16)
    samples = batch((256, 256), with_density=False)['data_samples']
    sample, = model.predict(scaled, samples, stride=2)
    assert sample.pred_count == 128 * 128
    assert sample.pred_density.dtype == torch.float32


def test_bad_arguments():
    with pytest.raises(ValueError, match='density_factor'):
        build(density_factor=0)
    model = build(data_preprocessor=dict(PREPROCESSOR, pad_size_divisor=1))
    with pytest.raises(ValueError, match='pad_size_divisor'):
        model.eval().test_step(batch((33, 40), with_density=False))
    with pytest.raises(ValueError, match="but got 'train'"):
        model(torch.rand(1, 3, 32, 32), mode='train')


@pytest.mark.parametrize('arch, conv_type, millions', [
    ('s', 'acda', (4.65, 4.87)),
    ('m', 'acda', (11.35, 11.87)),
    ('s', 'conv', (4.45, 4.78)),
])
def test_parameters_beside_table_3(arch, conv_type, millions):
    """Ours, and the paper's: within 7 %."""
    ours, paper = millions
    model = build(
        backbone=dict(
            type='AdResNet', arch=arch, conv_type=conv_type, max_pool=False),
        head=dict(
            type='DensityHead', in_channels=dict(s=512, m=1024)[arch]))
    counted = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(counted, 2) == ours
    assert counted == pytest.approx(paper, rel=0.07)


def test_starts_from_imagenet_weights(tmp_path):
    """Those of the backbone in a classifier's checkpoint, and no others."""
    source = MODELS.build(SMALL)
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter)
    path = str(tmp_path / 'classifier.pth')
    state = {f'backbone.{k}': v for k, v in source.state_dict().items()}
    torch.save(
        dict(state_dict=dict(state, **{'head.fc.weight': torch.ones(2)})),
        path)
    init_cfg = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    model = build(backbone=dict(SMALL, init_cfg=init_cfg))
    model.init_weights()
    loaded = model.backbone.state_dict()
    assert all(torch.equal(v, loaded[k])
               for k, v in source.state_dict().items())
    assert model.head.out_conv.bias.item() == pytest.approx(0.1)


def test_trains_in_mixed_precision():
    model = build().train()
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='AnyDeviceAmpOptimWrapper',
            dtype='bfloat16',
            optimizer=torch.optim.Adam(model.parameters(), 1e-3)))
    before = [p.detach().clone() for p in model.parameters()]
    losses = model.train_step(batch((48, 48), (48, 48)), wrapper)
    assert losses['loss_density'].dtype == torch.float32
    assert losses['loss_density'].isfinite()
    after = list(model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert not any(map(torch.equal, before, after))

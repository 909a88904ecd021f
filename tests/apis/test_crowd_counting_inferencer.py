"""CrowdCountingInferencer: the counts of the network, whole or in tiles."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image

from mmacda.apis import CrowdCountingInferencer
from mmacda.apis.read_config import ConfigError
from mmacda.apis.receptive_radius import receptive_radius
from mmacda.structures import CountingDataSample
from mmacda.visualization.density import BAR

CONFIG = Path(
    __file__).parents[2] / 'configs/counting/ad-resnet-s_synthetic.py'


@pytest.fixture(scope='module')
def config():
    """As deep as Ad-ResNet-s, but narrow."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(
        arch=dict(stage_widths=(4, 4, 8, 8), stage_blocks=(2, 2, 2, 2)),
        stem_channels=4,
        zero_init_residual=False)
    cfg.model.head.update(in_channels=8, channels=(8, 8, 8))
    return cfg


@pytest.fixture(scope='module')
def weights(config, tmp_path_factory):
    """Statistics of norms included; a density of a few people per cell."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    model.head.out_conv.bias.data.fill_(3.)
    with torch.no_grad():
        for _ in range(10):
            model(torch.randn(4, 3, 64, 64))
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


@pytest.fixture(scope='module')
def inferencer(config, weights):
    return CrowdCountingInferencer(config, weights, 'cpu', False)


def image(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_counts_as_the_model_does(inferencer, config, weights, tmp_path):
    pixels = image(50, 41)
    Image.fromarray(pixels[..., ::-1]).save(tmp_path / 'a.png')
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(weights)['state_dict'])
    with torch.no_grad():
        expected, = model.test_step(
            dict(
                inputs=[torch.from_numpy(pixels).permute(2, 0, 1)],
                data_samples=[
                    CountingDataSample(metainfo=dict(img_shape=(50, 41)))
                ]))
    for source in (pixels, str(tmp_path / 'a.png'), tmp_path / 'a.png'):
        sample, = inferencer(source)
        assert torch.equal(sample.pred_density, expected.pred_density)
        assert sample.pred_count == pytest.approx(expected.pred_count)
        assert sample.pred_count > 1 and sample.img_shape == (50, 41)
    assert sample.img_path == str(tmp_path / 'a.png')


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_order_and_counts_do_not_depend_on_the_batch(inferencer, batch_size):
    images = [image(*shape, seed) for seed, shape in enumerate(
        [(33, 40), (33, 40), (48, 40), (33, 40), (33, 40), (33, 40)])]
    singly = [inferencer(i)[0].pred_count for i in images]
    together = inferencer(images, batch_size=batch_size)
    assert [s.pred_count for s in together] == pytest.approx(singly)
    assert [s.img_path for s in together] == [
        f'image_{n}' for n in range(len(images))
    ]


@pytest.mark.parametrize('shape', [(440, 70), (70, 461)])
def test_tiles_count_as_the_whole_image(inferencer, shape):
    """The overlap reaches as far as the receptive field: no difference."""
    pixels = image(*shape)
    whole, = inferencer(pixels, tile=None)
    tiled, = inferencer(pixels, tile=64, batch_size=3)
    torch.testing.assert_close(
        tiled.pred_density, whole.pred_density, rtol=1e-3, atol=1e-6)
    assert tiled.pred_count == pytest.approx(whole.pred_count, rel=1e-4)
    rough, = inferencer(pixels, tile=64, overlap=32)
    assert rough.pred_count == pytest.approx(whole.pred_count, rel=1e-2)
    assert not torch.equal(rough.pred_density, whole.pred_density)


def test_the_overlap_is_the_receptive_field(inferencer):
    """No farther pixel has a gradient in a cell of stride 16."""
    radius = receptive_radius(inferencer.model, 16)
    start = 16 * (radius // 16 + 3)
    pixels = torch.randn(1, 3, 16, 2 * start + 16, requires_grad=True)
    inferencer.model(pixels)[..., start // 2:start // 2 + 8].sum().backward()
    reached = pixels.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    left, right = start - reached.min(), reached.max() - (start + 15)
    assert radius - 16 < max(left, right) <= radius


def test_pictures_and_no_maps(inferencer, tmp_path):
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        Image.fromarray(image(40, 30)).save(tmp_path / folder / 'x.png')
    samples = inferencer([str(tmp_path / 'a'), str(tmp_path / 'b')],
                         out_dir=str(tmp_path / 'out'), keep_maps=False)
    assert all('pred_density' not in s for s in samples)
    assert sorted(p.name for p in (tmp_path / 'out').iterdir()) == [
        'x.jpg', 'x_1.jpg'
    ]
    picture = np.asarray(Image.open(tmp_path / 'out' / 'x.jpg'))
    assert picture.shape[1] == 2 * 192 + BAR and picture.std() > 10


def test_an_input_is_never_replaced(inferencer, tmp_path):
    path = tmp_path / 'holiday.jpg'
    Image.fromarray(image(40, 30)).save(path)
    before = path.read_bytes()
    for _ in range(2):  # the same place for the same photograph
        sample, = inferencer(str(path), out_dir=tmp_path)
        assert sample.picture_path == str(tmp_path / 'holiday_1.jpg')
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'holiday.jpg', 'holiday_1.jpg']


def test_arrays_one_by_one_have_a_picture_each(inferencer, tmp_path):
    for _ in range(3):
        inferencer(image(32, 32), out_dir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'image_0.jpg', 'image_1.jpg', 'image_2.jpg']


def test_a_folder_that_cannot_be_written_is_said_first(inferencer, tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(image(40, 30)).save(path)
    with pytest.raises(OSError, match='a.png is not a folder'):
        inferencer.stream([image(32, 32)], out_dir=path)


@pytest.mark.parametrize('batch_size', [1, 4])
def test_one_bad_file_among_many(inferencer, tmp_path, batch_size):
    for name in ('1.png', '2.png', '4.png'):
        Image.fromarray(image(40, 30)).save(tmp_path / name)
    (tmp_path / '3.png').write_bytes((tmp_path / '1.png').read_bytes()[:99])
    (tmp_path / '._1.png').write_bytes(b'of macOS')
    (tmp_path / 'notes.txt').touch()
    bad = []
    with pytest.warns(UserWarning, match='1 of 5 files in .*notes.txt'):
        results = list(inferencer.stream(
            tmp_path, batch_size=batch_size,
            on_error=lambda name, error: bad.append((name, str(error)))))
    assert [r.img_path[-5:] for r in results] == ['1.png', '2.png', '4.png']
    (name, words), = bad
    assert name.endswith('3.png') and f'{name} cannot be read' in words
    with pytest.warns(UserWarning), pytest.raises(ValueError, match='3.png'):
        inferencer(tmp_path, batch_size=batch_size)


def test_results_come_one_by_one(inferencer):
    stream = inferencer.stream([image(32, 32)] * 2)
    assert next(stream).img_path == 'image_0'
    stream.close()  # as Ctrl-C does


def test_the_test_pipeline_prepares(config, weights):
    cfg = config.copy()
    cfg.test_dataloader = dict(dataset=dict(dataset=dict(pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='ResizeCrowd', shorter_side=(64, 80)),
        dict(type='PackCrowdInputs')
    ])))
    sample, = CrowdCountingInferencer(cfg, weights, 'cpu', False)(image(
        32, 50))
    assert sample.pred_density.shape == (1, 64, 100)
    load = cfg.test_dataloader.dataset.dataset.pipeline[0]
    cfg.test_dataloader.dataset.dataset.pipeline[0] = dict(
        type='KeepLoaded', transform=load)
    again, = CrowdCountingInferencer(cfg, weights, 'cpu', False)(image(
        32, 50))
    assert again.pred_count == sample.pred_count
    cfg.test_dataloader = None
    with pytest.raises(ValueError, match='no pipeline in test_dataloader'):
        CrowdCountingInferencer(cfg, weights)


def test_bad_options(inferencer):
    with pytest.raises(ValueError, match='batch_size'):
        inferencer(image(32, 32), batch_size=0)
    with pytest.raises(ValueError, match='tile must be positive'):
        inferencer(image(200, 32), tile=0)
    with pytest.raises(ValueError, match='overlap must not be negative'):
        inferencer(image(200, 32), tile=100, overlap=-1)
    with pytest.raises(TypeError, match='float64'):
        inferencer([image(32, 32), image(32, 32) / 255])


def test_configs_of_something_else(config, tmp_path):
    path = tmp_path / 'bad.py'
    path.write_text('model = dict(', encoding='utf-8')
    with pytest.raises(ConfigError, match='bad.py, line 1: SyntaxError'):
        CrowdCountingInferencer(path)
    cfg = copy.deepcopy(config)
    cfg.test_dataloader.dataset.pipeline[-1]['type'] = 'PackInputs'
    cfg.default_scope = 'mmpretrain'
    with pytest.raises(ValueError, match='not one of a counting network'):
        CrowdCountingInferencer(cfg)


def test_untrained_network_warns(config):
    with pytest.warns(UserWarning, match='untrained'):
        CrowdCountingInferencer(config, device='cpu')


def test_checkpoints_of_something_else(config, weights, tmp_path):
    with pytest.raises(FileNotFoundError, match='missing.pth'):
        CrowdCountingInferencer(config, tmp_path / 'missing.pth')
    path = tmp_path / 'bad.pth'
    path.write_bytes(b'no checkpoint')
    with pytest.raises(ValueError, match='bad.pth is not a checkpoint'):
        CrowdCountingInferencer(config, path)
    state = torch.load(weights)['state_dict']
    del state['head.out_conv.weight']
    for content in (state, {'x.weight': torch.zeros(1)},
                    dict(state_dict=dict(state, more=torch.zeros(1))),
                    [1, 2]):
        torch.save(content, path)
        with pytest.raises(ValueError, match='bad.pth is not a checkpoint'):
            CrowdCountingInferencer(config, path)

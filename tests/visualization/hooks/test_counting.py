"""CountingVisualizationHook: real runs, real backends."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image

from mmacda.structures import CountingDataSample
from mmacda.visualization import CountingVisualizationHook
from mmacda.visualization.density import BAR, draw_densities
from tests.crowd_layouts import POINTS, write_shanghaitech

CONFIG = Path(
    __file__).parents[3] / 'configs/counting/ad-resnet-s_synthetic.py'


@pytest.fixture
def config(tmp_path):
    """A small network on three images of two heads, of one, and of none."""
    write_shanghaitech(tmp_path / 'data')
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.arch = dict(
        stage_widths=(4, 4, 4, 4), stage_blocks=(1, 1, 1, 1))
    cfg.model.backbone.stem_channels = 4
    cfg.model.head.update(in_channels=4, channels=(4, 4, 4))
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset = dict(
            type='ShanghaiTech',
            part='A',
            data_root=str(tmp_path / 'data'),
            split='train' if split == 'train' else 'test',
            pipeline=cfg.test_pipeline if split != 'train' else [
                cfg.load_image,
                dict(type='GenerateDensityMap'),
                dict(type='PackCrowdInputs')
            ])
    cfg.train_dataloader.batch_size = 2
    cfg.train_cfg.update(max_epochs=2, val_interval=1)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = tmp_path.name
    cfg.log_level = 'ERROR'
    return cfg


def runner_of(cfg, **hook):
    cfg.default_hooks.visualization.update(hook)
    return Runner.from_cfg(cfg)


def test_tensorboard_and_local_files(config, tmp_path):
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator')
    config.visualizer.vis_backends = [
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend')
    ]
    runner = runner_of(config, interval=2)
    runner.train()
    # Images 0 and 2 after each epoch, which has two iterations.
    names = [f'val_IMG_{n}_{step}.png' for n in (1, 3) for step in (2, 4)]
    files = sorted((tmp_path / 'work').glob('*/vis_data/vis_image/*.png'))
    assert sorted(names) == [path.name for path in files]
    events = accumulator.EventAccumulator(
        str(next((tmp_path / 'work').glob('*/vis_data'))))
    events.Reload()
    assert sorted(events.Tags()['images']) == ['val_IMG_1', 'val_IMG_3']
    shown = events.Images('val_IMG_1')
    assert [image.step for image in shown] == [2, 4]
    width, height = Image.open(files[0]).size
    assert (shown[0].width, shown[0].height) == (width, height)
    assert (width, height) == (3 * 256 + BAR, 192 + 28)


def test_out_dir_of_a_test(config, tmp_path):
    runner = runner_of(config, interval=1, out_dir=str(tmp_path / 'shown'))
    runner.test()
    names = sorted(path.name for path in (tmp_path / 'shown').iterdir())
    assert names == ['IMG_1.jpg', 'IMG_2.jpg', 'IMG_3.jpg']
    assert not list((tmp_path / 'work').glob('*/vis_data/vis_image'))


def test_disabled(config, tmp_path):
    runner_of(config, interval=1, enable=False).test()
    assert not list((tmp_path / 'work').glob('*/vis_data/vis_image'))


def test_picture_is_input_truth_and_prediction():
    hook = HOOKS.build(dict(type='CountingVisualizationHook'))
    image = torch.zeros(3, 30, 40, dtype=torch.uint8)
    image[0] = 200  # blue
    sample = CountingDataSample(
        metainfo=dict(img_shape=(30, 40)),
        gt_points=torch.from_numpy(POINTS[0]).float(),
        gt_count=3,
        pred_count=2.25,
        pred_density=torch.rand(1, 30, 40) / 100)
    picture = hook.draw(image, sample)
    assert (picture[100, 100] == (0, 0, 200)).all()
    # The truth is drawn where the heads are, and sets the scale.
    from mmacda.structures import density_map
    expected = draw_densities(
        np.full((30, 40, 3), (0, 0, 200), np.uint8), {
            'ground truth: 3': density_map(POINTS[0], (30, 40)),
            'prediction: 2.2': sample.pred_density[0].numpy()
        })
    np.testing.assert_array_equal(picture, expected)


def test_without_annotation_input_and_prediction():
    sample = CountingDataSample(
        pred_count=1., pred_density=torch.rand(1, 30, 40) / 100)
    picture = CountingVisualizationHook().draw(
        torch.zeros(3, 30, 40, dtype=torch.uint8), sample)
    np.testing.assert_array_equal(
        picture,
        draw_densities(
            np.zeros((30, 40, 3), np.uint8),
            {'prediction: 1.0': sample.pred_density[0].numpy()}))


def test_images_of_one_name_get_pictures_of_their_own():
    hook = CountingVisualizationHook()
    paths = ['a/1.jpg', 'b/1.jpg', 'c/1_2.png', None, 'd/1.v2.jpg']
    assert [hook.name_of(path, n) for n, path in enumerate(paths)] == [
        '1', '1_2', '1_2_2', 'image_3', '1.v2']
    hook.before_test_epoch(None)
    assert hook.name_of('a/1.jpg', 0) == '1'


def test_bad_arguments():
    with pytest.raises(ValueError, match='interval'):
        CountingVisualizationHook(interval=0)
    with pytest.raises(TypeError, match='float32'):
        CountingVisualizationHook().draw(
            torch.zeros(3, 4, 4), CountingDataSample())

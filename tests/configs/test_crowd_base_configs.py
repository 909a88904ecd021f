"""The base configs of the crowd datasets read what is published."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner

import mmacda  # noqa: F401

from test_configs import WRITERS

BASES = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
# Crop, shorter side in the test, training and validation images of three.
EXPECTED = dict(
    crowd_synthetic=(128, 288, 2, 1),
    shanghaitech_a=(256, 30, 2, 1),
    shanghaitech_b=(512, 30, 2, 1),
    ucf_qnrf=(512, 512, 2, 1),
    nwpu_crowd=(384, 384, 3, 3))


@pytest.mark.parametrize('name', EXPECTED)
def test_base_config(name, tmp_path, monkeypatch):
    crop, side, num_train, num_val = EXPECTED[name]
    cfg = Config.fromfile(BASES / f'{name}.py')
    WRITERS[cfg.dataset_type](tmp_path, monkeypatch)
    loaders = {}
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        assert loader.dataset.data_root == cfg.data_root
        loader.dataset.data_root = str(tmp_path)
        loader.update(num_workers=0, persistent_workers=False)
        loaders[split] = Runner.build_dataloader(loader, seed=0)
    assert len(loaders['train'].dataset) == num_train
    assert len(loaders['val'].dataset) == num_val
    seen = [{loaders[split].dataset.get_data_info(i)['img_path']
             for i in range(len(loaders[split].dataset))}
            for split in ('train', 'val')]
    assert not seen[0] & seen[1]

    batch = next(iter(loaders['train']))
    for image, sample in zip(batch['inputs'], batch['data_samples']):
        assert image.shape == (3, crop, crop)
        assert sample.gt_density.shape == (1, crop, crop)
        assert sample.gt_density.sum().item() == pytest.approx(
            sample.gt_count, rel=1e-4)

    evaluator = Evaluator(cfg.test_evaluator)
    for batch in loaders['test']:
        sample, = batch['data_samples']
        assert min(batch['inputs'][0].shape[1:]) == side
        assert 'gt_density' not in sample
        sample.pred_count = sample.gt_count + 2.
        evaluator.process([sample], batch)
    metrics = evaluator.evaluate(len(loaders['test'].dataset))
    assert metrics['counting/mae'] == metrics['counting/mse'] == 2

"""The size that a config's pipelines give to images."""
import pytest
from mmengine.config import Config

from mmacda.apis.input_size import image_size


def config(*steps, key='test_dataloader', wrapped=False):
    dataset = dict(pipeline=[dict(type='LoadImage'), *steps])
    if wrapped:
        dataset = dict(type='ConcatDataset', datasets=[dataset])
    return Config({key: dict(dataset=dataset)})


class CenterCrop:
    """As a class of a pure-Python config."""


@pytest.mark.parametrize('steps, size', [
    ([], None),
    ([dict(type='ResizeEdge', scale=256), dict(type='CenterCrop',
                                               crop_size=224)], (224, 224)),
    ([dict(type='Resize', scale=(30, 20))], (20, 30)),
    ([dict(type='Resize', scale=(30, 20), keep_ratio=True)], None),
    ([dict(type='mmcv.Resize', scale=16)], (16, 16)),
    ([dict(type=CenterCrop, crop_size=7)], (7, 7)),
    ([dict(type='RandomCropCrowd', crop_size=7)], None),
])
def test_the_last_step_that_fixes_it(steps, size):
    assert image_size(config(*steps)) == size
    assert image_size(config(*steps, wrapped=True)) == size
    assert image_size(config(*steps, key='train_dataloader')) == size


def test_several_loaders_and_none():
    loader = config(dict(type='Resize', scale=9)).test_dataloader
    assert image_size(Config(dict(test_dataloader=[loader]))) == (9, 9)
    assert image_size(Config(dict(model=dict()))) is None

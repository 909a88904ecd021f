"""Images are loaded once and survive what works on them in place."""
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

import mmacda  # noqa: F401
from tests.box_layouts import write_picture

CONFIG = dict(type='KeepLoaded', transform=dict(type='LoadImageFromFile'))


@pytest.fixture
def path(tmp_path):
    write_picture(tmp_path / 'a.png')
    return tmp_path / 'a.png'


def test_the_same_as_the_loader(path):
    loader = TRANSFORMS.build(CONFIG['transform'])
    expected = loader(dict(img_path=str(path), gt_label=3))
    kept = TRANSFORMS.build(CONFIG)
    for label in (3, 4):
        found = kept(dict(img_path=str(path), gt_label=label))
        assert found.pop('gt_label') == label
        assert found.keys() == expected.keys() - {'gt_label'}
        np.testing.assert_array_equal(found['img'], expected['img'])
        assert found['ori_shape'] == expected['ori_shape']


def test_a_file_is_read_once_and_the_copy_is_one_own(path):
    kept = TRANSFORMS.build(CONFIG)
    first = kept(dict(img_path=str(path)))['img']
    before = first.copy()
    first[:] = 0
    path.unlink()
    np.testing.assert_array_equal(kept(dict(img_path=str(path)))['img'],
                                  before)
    assert 'LoadImageFromFile' in repr(kept)

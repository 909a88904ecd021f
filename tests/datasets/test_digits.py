"""The embedded digits: complete, fixed, and disjoint splits."""
import numpy as np
import pytest
from mmengine.registry import DATASETS

sklearn_datasets = pytest.importorskip('sklearn.datasets')


def build(split):
    return DATASETS.build(dict(type='Digits', split=split))


def test_splits_are_a_partition_of_the_source():
    train, test = build('train'), build('test')
    source = sklearn_datasets.load_digits()
    indices = [d.get_data_info(i)['sample_idx']
               for d in (train, test) for i in range(len(d))]
    seen = [s['gt_label'] for d in (train, test) for s in d.load_data_list()]
    assert len(train) == 1347 and len(test) == 450
    assert len(seen) == len(source.target) == len(indices)
    assert np.bincount(seen).tolist() == np.bincount(source.target).tolist()


def test_images_are_the_source_s():
    source = sklearn_datasets.load_digits()
    for sample in build('test').load_data_list()[:20]:
        index = sample['sample_idx']
        assert sample['img'].shape == (8, 8, 1)
        assert sample['img'].dtype == np.uint8
        np.testing.assert_allclose(
            sample['img'][..., 0] * (16 / 255),
            source.images[index],
            atol=0.04)
        assert sample['gt_label'] == source.target[index]


def test_split_is_stratified():
    labels = np.bincount([s['gt_label'] for s in build('test').load_data_list()
                          ])
    assert labels.min() >= 43 and labels.max() <= 46


def test_bad_split():
    with pytest.raises(ValueError, match="'train' or 'test', but got 'val'"):
        build('val')

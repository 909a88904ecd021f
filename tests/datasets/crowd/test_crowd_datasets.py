"""Every crowd dataset reads its published layout and the mirrors'."""
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmacda.datasets.transforms import density_map
from tests.crowd_layouts import (POINTS, SIZE, build_dataset, write_image,
                                 write_location_mat, write_nwpu,
                                 write_shanghaitech, write_ucf_qnrf)

LOAD = dict(type='LoadPicture', upright=False)
PIPELINE = [LOAD, dict(type='PackCrowdInputs')]

LAYOUTS = {
    'ShanghaiTech A': (write_shanghaitech, {}, dict(type='ShanghaiTech')),
    'ShanghaiTech B': (write_shanghaitech, dict(part='part_B_final'),
                       dict(type='ShanghaiTech', part='B')),
    'ShanghaiTech mirror':
    (write_shanghaitech, dict(part='part_A', truth='ground-truth'),
     dict(type='ShanghaiTech', part='A')),
    'UCF-QNRF': (write_ucf_qnrf, {}, dict(type='UCFQNRF')),
    'NWPU json': (write_nwpu, {}, dict(type='NWPUCrowd')),
    'NWPU mat': (write_nwpu, dict(truth='mats'), dict(type='NWPUCrowd')),
    'NWPU parts': (write_nwpu, dict(images='images_part1'),
                   dict(type='NWPUCrowd')),
}


def samples(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_reads_what_was_written(layout, tmp_path):
    write, kwargs, cfg = LAYOUTS[layout]
    write(tmp_path, **kwargs)
    other = 'val' if 'NWPU' in layout else 'test'
    for split in ('train', other):
        dataset = build_dataset(
            dict(
                cfg, data_root=str(tmp_path), split=split, pipeline=PIPELINE))
        assert len(dataset) == len(POINTS)
        for i, (sample, points) in enumerate(zip(samples(dataset), POINTS)):
            assert sample['points'].dtype == np.float32
            np.testing.assert_array_equal(sample['points'],
                                          points.astype(np.float32))
            assert sample['gt_count'] == len(points)
            assert sample['sample_idx'] == i
            packed = dataset[i]
            assert packed['inputs'].shape == (3, *SIZE[::-1])
            assert packed['data_samples'].gt_count == len(points)
            assert packed['data_samples'].img_path == sample['img_path']


def test_ucf_qnrf_below_the_archive_s_folder(tmp_path):
    write_ucf_qnrf(tmp_path / 'UCF-QNRF_ECCV18')
    assert len(build_dataset(
        dict(type='UCFQNRF', data_root=str(tmp_path)))) == 3


def test_images_come_in_the_order_of_their_numbers(tmp_path):
    points = [np.full((n, 2), 5.) for n in range(12)]
    write_shanghaitech(tmp_path, points)
    dataset = build_dataset(
        dict(type='ShanghaiTech', data_root=str(tmp_path)))
    assert [s['gt_count'] for s in samples(dataset)] == list(range(12))
    few = DATASETS.build(  # serialized, as in training
        dict(type='ShanghaiTech', data_root=str(tmp_path), indices=[2, 11]))
    assert [s['gt_count'] for s in samples(few)] == [2, 11]


def test_foreign_files_are_ignored(tmp_path):
    write_shanghaitech(tmp_path)
    folder = tmp_path / 'part_A_final' / 'train_data'
    (folder / 'images' / 'Thumbs.db').touch()
    (folder / 'images' / '._IMG_1.jpg').touch()
    assert len(build_dataset(
        dict(type='ShanghaiTech', data_root=str(tmp_path)))) == 3


def test_nwpu_levels_and_test_split(tmp_path):
    write_nwpu(tmp_path)
    cfg = dict(type='NWPUCrowd', data_root=str(tmp_path), pipeline=PIPELINE)
    val = build_dataset(dict(cfg, split='val'))
    assert [(s['illumination'], s['crowd_level'])
            for s in samples(val)] == [(0, 0), (1, 1), (0, 2)]
    assert val[2]['data_samples'].crowd_level == 2
    test = build_dataset(dict(cfg, split='test'))
    assert [s['img_path'][-8:] for s in samples(test)
            ] == ['0007.jpg', '0008.jpg', '0009.jpg']
    assert 'gt_count' not in test[0]['data_samples']


def test_grey_images_have_three_equal_channels(tmp_path):
    write_shanghaitech(tmp_path, mode='L')
    dataset = build_dataset(
        dict(
            type='ShanghaiTech', data_root=str(tmp_path), pipeline=PIPELINE))
    image = dataset[0]['inputs']
    assert image.shape == (3, *SIZE[::-1])
    assert (image == image[:1]).all() and image.float().std() > 0


def test_exif_does_not_turn_the_image_away_from_its_points(tmp_path):
    from PIL import Image
    write_shanghaitech(tmp_path, POINTS[:1])
    path = tmp_path / 'part_A_final/train_data/images/IMG_1.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    write_image(path, exif=exif)
    dataset = build_dataset(
        dict(
            type='ShanghaiTech', data_root=str(tmp_path), pipeline=PIPELINE))
    assert dataset[0]['inputs'].shape == (3, *SIZE[::-1])


def test_points_outside_count_and_are_told_of_once(tmp_path, warned):
    points = [[-4., 5.], [45., 12.], [7., 8.]]
    write_shanghaitech(tmp_path, [points, points, POINTS[0]])
    density = dict(type='GenerateDensityMap')
    dataset = build_dataset(
        dict(
            type='ShanghaiTech',
            data_root=str(tmp_path),
            pipeline=[LOAD, density, PIPELINE[-1]]))
    sample = [dataset[0] for _ in range(3)][0]['data_samples']
    message, = warned()
    assert '4 points of 2 images lie outside' in message
    assert 'IMG_1.jpg' in message
    assert sample.gt_count == 3 and sample.gt_points.tolist() == points
    clamped = density_map(
        np.array([[0, 5], [SIZE[0] - 1, 12], [7, 8]]), SIZE[::-1])
    np.testing.assert_array_equal(sample.gt_density[0], clamped)
    assert sample.gt_density.sum().item() == pytest.approx(3, rel=1e-5)


class TestHoldOut:

    @pytest.fixture
    def root(self, tmp_path):
        write_shanghaitech(tmp_path,
                           [np.full((n, 2), 5.) for n in range(20)])
        return str(tmp_path)

    def counts(self, root, split, hold_out=0, **kwargs):
        dataset = build_dataset(
            dict(
                type='ShanghaiTech',
                data_root=root,
                split=split,
                hold_out=hold_out,
                **kwargs))
        return [s['gt_count'] for s in samples(dataset)]

    @pytest.mark.parametrize('hold_out, number', [(0.2, 4), (3, 3),
                                                  (0.001, 1)])
    def test_splits_the_training_set(self, root, hold_out, number):
        train = self.counts(root, 'train', hold_out)
        val = self.counts(root, 'val', hold_out)
        assert len(val) == number
        assert sorted(train + val) == list(range(20))

    def test_is_off_by_default(self, root):
        assert self.counts(root, 'train') == list(range(20))
        with pytest.raises(ValueError, match='without a val split'):
            self.counts(root, 'val')

    def test_never_touches_the_test_set(self, root):
        assert self.counts(root, 'test', 0.5) == list(range(20))
        dataset = build_dataset(
            dict(
                type='ShanghaiTech', data_root=root, split='val',
                hold_out=0.5))
        assert all('train_data' in s['img_path'] for s in samples(dataset))

    def test_the_seed_decides(self, root):
        first = self.counts(root, 'val', 5, hold_out_seed=1)
        assert first == self.counts(root, 'val', 5, hold_out_seed=1)
        assert first != self.counts(root, 'val', 5, hold_out_seed=2)

    @pytest.mark.parametrize('hold_out, message', [
        (20, 'leaves none of the 20'), (-0.1, 'must be a fraction'),
        (2.5, 'must be a fraction')])
    def test_bad_numbers(self, root, hold_out, message):
        with pytest.raises(ValueError, match=message):
            self.counts(root, 'train', hold_out)


def test_arguments_out_of_range(tmp_path):
    write_nwpu(tmp_path)
    with pytest.raises(ValueError, match='val split of its own'):
        build_dataset(
            dict(type='NWPUCrowd', data_root=str(tmp_path), hold_out=0.1))
    with pytest.raises(ValueError, match="'A' or 'B', but got 'C'"):
        build_dataset(
            dict(type='ShanghaiTech', data_root=str(tmp_path), part='C'))
    with pytest.raises(ValueError, match="but got 'trainval'"):
        build_dataset(
            dict(type='UCFQNRF', data_root=str(tmp_path), split='trainval'))


def test_location_without_a_cell(tmp_path):
    """A struct that is not in a cell, as converted copies have it."""
    from scipy.io import savemat
    write_shanghaitech(tmp_path, POINTS[:1])
    path = tmp_path / 'part_A_final/train_data/ground_truth/GT_IMG_1.mat'
    savemat(path, dict(image_info=dict(location=POINTS[0], number=3.)))
    dataset = build_dataset(
        dict(type='ShanghaiTech', data_root=str(tmp_path)))
    np.testing.assert_allclose(samples(dataset)[0]['points'], POINTS[0])
    write_location_mat(path, POINTS[1])
    dataset = build_dataset(
        dict(type='ShanghaiTech', data_root=str(tmp_path)))
    assert samples(dataset)[0]['gt_count'] == 2

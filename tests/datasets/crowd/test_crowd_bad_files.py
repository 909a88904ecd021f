"""What is wrong with a file is an error that names it, or is left out."""
import numpy as np
import pytest
from scipy.io import savemat

from tests.crowd_layouts import (build_dataset, write_location_mat,
                                 write_nwpu, write_points_mat,
                                 write_shanghaitech, write_ucf_qnrf)

PIPELINE = [
    dict(type='LoadPicture', upright=False),
    dict(type='PackCrowdInputs')
]
POINTS = [np.full((n + 3, 2), 5.) for n in range(4)]
IMAGE, TRUTH = 'images/IMG_2.jpg', 'ground_truth/GT_IMG_2.mat'


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def write_other_key(path):
    savemat(path, dict(annPoints=np.ones((2, 2))))


def write_other_struct(path):
    savemat(path, dict(image_info=dict(points=np.ones((2, 2)))))


def write_mat(points):
    return lambda path: write_location_mat(path, points)


SWAPPED = np.random.default_rng(0).uniform((0, 0), (30, 40), (20, 2))
FAULTS = {
    'missing image': (IMAGE, lambda path: path.unlink(), 'is missing'),
    'truncated image': (IMAGE, truncate, 'cannot be read.*truncated'),
    'no image': (IMAGE, write_bytes(b'text'), 'cannot be read'),
    'empty image': (IMAGE, write_bytes(b''), 'cannot be read'),
    'missing mat': (TRUTH, lambda path: path.unlink(), 'is missing'),
    'truncated mat': (TRUTH, truncate, 'not a readable MAT-file'),
    'no mat': (TRUTH, write_bytes(b'text'), 'not a readable MAT-file'),
    'empty mat': (TRUTH, write_bytes(b''), 'not a readable MAT-file'),
    'mat of version 7.3': (TRUTH, write_bytes(
        b'MATLAB 7.3 MAT-file'.ljust(124) + b'\0\2IM'), 'version 7.3'),
    'other variable': (TRUTH, write_other_key,
                       r"no variable 'image_info', only \['annPoints'\]"),
    'other struct': (TRUTH, write_other_struct, 'the field location'),
    'NaN': (TRUTH, write_mat([[1, np.nan], [2, 3]]), '1 points .*not finite'),
    'infinite': (TRUTH, write_mat([[1, np.inf], [2, 3]]), 'not finite'),
    'three columns': (TRUTH, write_mat(np.ones((4, 3))), r'\(N, 2\)'),
    'y and x swapped': (TRUTH, write_mat(SWAPPED), r'must be \(x, y\)'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_bad_file_is_named_or_left_out(fault, tmp_path):
    name, spoil, message = FAULTS[fault]
    write_shanghaitech(tmp_path, POINTS)
    path = tmp_path / 'part_A_final' / 'train_data' / name
    spoil(path)
    cfg = dict(
        type='ShanghaiTech', data_root=str(tmp_path), pipeline=PIPELINE)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        dataset = build_dataset(cfg)
        for i in range(len(dataset)):
            dataset[i]
    assert str(path) in str(error.value)
    error.match(message)

    dataset = build_dataset(dict(cfg, skip_bad_files=True))
    assert [dataset[i]['data_samples'].gt_count
            for i in range(len(dataset))] == [3, 5, 6]
    (bad_path, reason), = dataset.bad_files
    assert bad_path.endswith('IMG_2.jpg') and str(path) in reason


def test_bad_files_are_listed_and_counted(tmp_path, warned):
    write_ucf_qnrf(tmp_path, POINTS)
    for number in (1, 3):
        (tmp_path / f'Train/img_{number:04d}_ann.mat').unlink()
    build_dataset(
        dict(type='UCFQNRF', data_root=str(tmp_path), skip_bad_files=True))
    message, = warned()
    assert 'left out 2 of 4 images' in message
    assert 'img_0001_ann.mat' in message and 'img_0003_ann.mat' in message


def test_hold_out_does_not_depend_on_bad_files(tmp_path):
    write_ucf_qnrf(tmp_path, POINTS)
    cfg = dict(type='UCFQNRF', data_root=str(tmp_path), hold_out=2)

    def counts(**kwargs):
        dataset = build_dataset(dict(cfg, **kwargs))
        return {d['gt_count'] for d in map(dataset.get_data_info,
                                           range(len(dataset)))}

    before = counts(split='val')
    (tmp_path / 'Train/img_0001.jpg').write_bytes(b'')
    assert counts(split='val', skip_bad_files=True) == before - {3}


@pytest.mark.parametrize('content, message', [
    ('{"points": [[1, 2], [3]]}', 'not numbers'),
    ('{"points": "many"}', 'not numbers'),
    ('{"human_num": 2}', r"no entry 'points', only \['human_num'\]"),
    ('[1, 2]', 'only a list'),
    ('{"points": [[1, ', 'not readable JSON'),
])
def test_bad_json(content, message, tmp_path):
    write_nwpu(tmp_path)
    path = tmp_path / 'jsons' / '0002.json'
    path.write_text(content, encoding='utf-8')
    with pytest.raises(ValueError, match=message) as error:
        build_dataset(dict(type='NWPUCrowd', data_root=str(tmp_path)))
    assert str(path) in str(error.value)


def test_bad_list(tmp_path):
    write_nwpu(tmp_path)
    (tmp_path / 'val.txt').write_text('0004 1\n', encoding='utf-8')
    with pytest.raises(ValueError, match="but got '0004 1'"):
        build_dataset(
            dict(type='NWPUCrowd', data_root=str(tmp_path), split='val'))


@pytest.mark.parametrize('kind, expected', [
    ('ShanghaiTech', 'part_A_final/train_data or part_A/train_data'),
    ('UCFQNRF', 'Train or UCF-QNRF_ECCV18/Train'),
    ('NWPUCrowd', 'train.txt'),
])
def test_a_missing_dataset_says_how_to_get_it(kind, expected, tmp_path):
    with pytest.raises(FileNotFoundError, match=expected) as error:
        build_dataset(dict(type=kind, data_root=str(tmp_path / 'absent')))
    error.match('Download .* from https://.* unpack it so that data_root')
    error.match(str(tmp_path / 'absent'))


def test_empty_folders_are_an_error(tmp_path):
    write_ucf_qnrf(tmp_path, [])
    (tmp_path / 'Train').mkdir()
    with pytest.raises(FileNotFoundError, match='no images of the train'):
        build_dataset(dict(type='UCFQNRF', data_root=str(tmp_path)))


@pytest.mark.parametrize('points', [
    [[20., 31.]],
    [[20., 31.], [5., 30.5]],
    [[20., 32.]] * 9,
])
def test_heads_just_below_the_image_are_not_taken_for_swapped(
        tmp_path, points):
    write_ucf_qnrf(tmp_path, [points])
    dataset = build_dataset(dict(type='UCFQNRF', data_root=str(tmp_path)))
    assert dataset.get_data_info(0)['gt_count'] == len(points)


def test_few_points_outside_are_not_taken_for_swapped(tmp_path):
    """Below the image, but x and y as they should be."""
    write_ucf_qnrf(tmp_path, [[[10., 31.], [12., 8.], [5., 6.]]])
    write_points_mat(tmp_path / 'Test' / 'img_0001_ann.mat', [[25., 31.]] * 2 +
                     [[3., 4.]] * 30)
    for split, count in (('train', 3), ('test', 32)):
        dataset = build_dataset(
            dict(type='UCFQNRF', data_root=str(tmp_path), split=split))
        assert dataset.get_data_info(0)['gt_count'] == count

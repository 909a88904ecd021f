"""Tiny crowd datasets on disk, in the layouts in which they are published."""
import json

import numpy as np
from mmengine.registry import DATASETS
from PIL import Image
from scipy.io import savemat

import mmacda  # noqa: F401

SIZE = (40, 30)  # width, height
# Three points, somebody counted twice, nobody.
POINTS = (np.array([[3.5, 4.25], [20, 10], [39.9, 29.9]]),
          np.array([[8., 9.], [8., 9.]]), np.zeros((0, 2)))


def build_dataset(cfg):
    """Unserialized: MMEngine collects garbage after it serializes, which takes
    longer than all else here."""
    return DATASETS.build(dict(serialize_data=False, **cfg))


def write_image(path, size=SIZE, mode='RGB', **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] + (() if mode == 'L' else (3, ))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path, **kwargs)


def write_location_mat(path, points):
    """image_info{1}.location and .number, as in ShanghaiTech."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = np.empty((1, 1), object)
    cell[0, 0] = dict(
        location=np.asarray(points, float), number=float(len(points)))
    savemat(path, dict(image_info=cell))


def write_points_mat(path, points):
    """annPoints, as in UCF-QNRF and NWPU-Crowd."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(annPoints=np.asarray(points, float)))


def write_shanghaitech(root, points=POINTS, part='part_A_final',
                       truth='ground_truth', size=SIZE, mode='RGB'):
    for split in ('train_data', 'test_data'):
        for number, location in enumerate(points, 1):
            folder = root / part / split
            write_image(folder / 'images' / f'IMG_{number}.jpg', size, mode)
            write_location_mat(folder / truth / f'GT_IMG_{number}.mat',
                               location)


def write_ucf_qnrf(root, points=POINTS, size=SIZE):
    for split in ('Train', 'Test'):
        for number, location in enumerate(points, 1):
            stem = root / split / f'img_{number:04d}'
            write_image(stem.with_suffix('.jpg'), size)
            write_points_mat(root / split / f'img_{number:04d}_ann.mat',
                             location)


def write_nwpu(root, points=POINTS, truth='jsons', size=SIZE,
               images='images'):
    """Numbered through the splits; the test split is not annotated."""
    number = 0
    for split in ('train', 'val', 'test'):
        lines = []
        for level, location in enumerate(points):
            number += 1
            lines.append(f'{number:04d} {level % 2} {level}\n')
            write_image(root / images / f'{number:04d}.jpg', size)
            stem = f'{number:04d}'
            if split != 'test' and truth == 'jsons':
                path = root / truth / f'{stem}.json'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(dict(
                    img_id=f'{stem}.jpg', human_num=len(location),
                    points=np.asarray(location).tolist(), boxes=[])),
                        encoding='utf-8')
            elif split != 'test':
                write_points_mat(root / truth / f'{stem}.mat', location)
        (root / f'{split}.txt').write_text(''.join(lines), encoding='utf-8')

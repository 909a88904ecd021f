"""ShanghaiTech, parts A and B."""
import os
from typing import List

import numpy as np
from mmengine.registry import DATASETS

from .annotation_files import (find_folder, numbered_files, pair_files,
                               read_mat)
from .crowd_dataset import CrowdDataset


@DATASETS.register_module()
class ShanghaiTech(CrowdDataset):
    """ShanghaiTech: 300 + 182 images in part A, 400 + 316 in part B.

    Reads ``part_A_final/{train,test}_data/images/IMG_<i>.jpg`` with
    ``ground_truth/GT_IMG_<i>.mat`` as published, and the mirrors that say
    ``part_A`` and ``ground-truth``.

    Args:
        data_root (str): Folder that holds ``part_A_final`` or ``part_A``.
        part (str): 'A' or 'B'. Default: 'A'.
        **kwargs: Arguments of :class:`CrowdDataset`. There is no official
            val split: see ``hold_out``.
    """

    ADVICE = (
        'Download ShanghaiTech from '
        'https://github.com/desenzhou/ShanghaiTechDataset and unpack it so '
        'that data_root holds part_A_final/train_data/images/IMG_1.jpg and '
        'part_A_final/train_data/ground_truth/GT_IMG_1.mat, and likewise '
        'test_data and part_B_final')

    def __init__(self, data_root: str, part: str = 'A', **kwargs):
        if part not in ('A', 'B'):
            raise ValueError(f"part must be 'A' or 'B', but got {part!r}")
        self.part = part
        super().__init__(data_root=data_root, **kwargs)

    def list_files(self, split: str) -> List[dict]:
        names = [
            os.path.join(f'part_{self.part}{suffix}', f'{split}_data')
            for suffix in ('_final', '')
        ]
        folder = find_folder(self.data_root, names, self.ADVICE)
        images = find_folder(folder, ['images'], self.ADVICE)
        annotations = find_folder(folder, ['ground_truth', 'ground-truth'],
                                  self.ADVICE)
        return pair_files(
            numbered_files(images, r'IMG_(\d+)\.jpe?g'),
            numbered_files(annotations, r'GT_IMG_(\d+)\.mat'),
            os.path.join(images, 'IMG_{}.jpg'),
            os.path.join(annotations, 'GT_IMG_{}.mat'))

    def read_annotation(self, ann_path: str) -> dict:
        info = read_mat(ann_path, 'image_info')
        while isinstance(info, np.ndarray) and info.dtype == object and (
                info.size == 1):
            info = info.item()  # a cell around the struct
        if 'location' not in (getattr(info, 'dtype', info).names or ()):
            raise ValueError(f'image_info of {ann_path} is not a struct with '
                             'the field location')
        if info['location'].size != 1:
            raise ValueError(f'image_info of {ann_path} must be one struct, '
                             f'but is {info["location"].size} of them')
        return dict(points=info['location'].item())

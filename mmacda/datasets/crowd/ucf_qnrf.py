"""UCF-QNRF."""
import os
from typing import List

from mmengine.registry import DATASETS

from .annotation_files import (find_folder, numbered_files, pair_files,
                               read_mat)
from .crowd_dataset import CrowdDataset


@DATASETS.register_module()
class UCFQNRF(CrowdDataset):
    """UCF-QNRF: 1,201 + 334 images with 49 to 12,865 people.

    Reads ``{Train,Test}/img_<0001>.jpg`` and ``img_<0001>_ann.mat`` beside
    it, as published. Some points lie outside their image: work that drops
    them has a slightly smaller ground truth than the annotation.

    Args:
        data_root (str): Folder that holds ``Train`` and ``Test``, or the
            ``UCF-QNRF_ECCV18`` that holds them.
        **kwargs: Arguments of :class:`CrowdDataset`. There is no official
            val split: see ``hold_out``.
    """

    ADVICE = (
        'Download UCF-QNRF from '
        'https://www.crcv.ucf.edu/research/data-sets/ucf-qnrf/ and unpack it '
        'so that data_root holds Train/img_0001.jpg, Train/img_0001_ann.mat, '
        'and likewise Test')

    def list_files(self, split: str) -> List[dict]:
        name = split.capitalize()
        folder = find_folder(self.data_root, [
            name, os.path.join('UCF-QNRF_ECCV18', name)
        ], self.ADVICE)
        return pair_files(
            numbered_files(folder, r'img_(\d+)\.jpe?g'),
            numbered_files(folder, r'img_(\d+)_ann\.mat'),
            os.path.join(folder, 'img_{:04d}.jpg'),
            os.path.join(folder, 'img_{:04d}_ann.mat'))

    def read_annotation(self, ann_path: str) -> dict:
        return dict(points=read_mat(ann_path, 'annPoints'))

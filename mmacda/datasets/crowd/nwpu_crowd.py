"""NWPU-Crowd."""
import os
import re
from typing import List

from mmengine.registry import DATASETS

from .annotation_files import (find_folder, numbered_files, read_json,
                               read_lines, read_mat)
from .crowd_dataset import CrowdDataset


@DATASETS.register_module()
class NWPUCrowd(CrowdDataset):
    """NWPU-Crowd: images with 0 to 20,033 people.

    Reads ``images/<0001>.jpg`` (or ``images_part<k>/``, as they come out of
    the archives), ``jsons/<0001>.json`` or ``mats/<0001>.mat``, and the lists
    ``{train,val,test}.txt``, of which each line has the number of an image,
    its illumination level and its crowd level. Samples also have
    ``illumination`` and ``crowd_level``: with
    ``CountingMetric(levels=('crowd_level', 'illumination'))`` they are
    evaluated as by the benchmark's server.

    The annotation of the test split is not public: its samples have neither
    ``points`` nor ``gt_count``, and only predictions can be had.

    Args:
        data_root (str): Folder of the above.
        split (str): 'train', 'val' or 'test'. Default: 'train'.
        **kwargs: Arguments of :class:`CrowdDataset` but ``hold_out``: there
            is an official val split.
    """

    SPLITS = ('train', 'val', 'test')
    ADVICE = (
        'Download NWPU-Crowd from '
        'https://www.crowdbenchmark.com/nwpucrowd.html and unpack it so that '
        'data_root holds images/0001.jpg, jsons/0001.json or mats/0001.mat, '
        'and train.txt, val.txt and test.txt')

    def list_files(self, split: str) -> List[dict]:
        lists = os.path.join(self.data_root, f'{split}.txt')
        if not os.path.isfile(lists):
            raise FileNotFoundError(
                f'the list {os.path.abspath(lists)} is missing. {self.ADVICE}')
        parts = ['images', *(f'images_part{k}' for k in range(1, 6))]
        folder = find_folder(self.data_root, parts, self.ADVICE)
        images = {}
        for part in parts:
            path = os.path.join(self.data_root, part)
            if os.path.isdir(path):
                images.update(numbered_files(path, r'(\d+)\.jpe?g'))
        files = []
        for line in read_lines(lists):
            numbers = [int(n) for n in re.findall(r'\d+', line)]
            if len(numbers) != 3:
                raise ValueError(
                    f'a line of {lists} must have the number of an image, '
                    'its illumination level and its crowd level, but got '
                    f'{line!r}')
            files.append(
                dict(
                    img_path=images.get(
                        numbers[0],
                        os.path.join(folder, f'{numbers[0]:04d}.jpg')),
                    ann_path=self._ann_path(numbers[0]),
                    illumination=numbers[1],
                    crowd_level=numbers[2]))
        return files

    def _ann_path(self, number: int):
        if self.split == 'test':
            return None
        folder = find_folder(self.data_root, ['jsons', 'mats'], self.ADVICE)
        suffix = os.path.basename(folder)[:-1]
        return os.path.join(folder, f'{number:04d}.{suffix}')

    def read_annotation(self, ann_path: str) -> dict:
        if ann_path.endswith('.json'):
            return dict(points=read_json(ann_path, 'points'))
        return dict(points=read_mat(ann_path, 'annPoints'))

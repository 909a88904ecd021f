"""Counting what is annotated in COCO's format."""
import json
import os
from typing import Any, Dict, List, Tuple

import numpy as np
from mmengine.registry import DATASETS

from .boxes import BoxCounting


@DATASETS.register_module()
class COCOCounting(BoxCounting):
    """Counts objects of a dataset in COCO's format.

    One JSON file has ``images`` (``id``, ``file_name``), ``annotations``
    (``image_id``, ``category_id`` and where the object is) and ``categories``
    (``id``, ``name``). Annotations with ``iscrowd`` or ``ignore`` are regions
    to ignore.

    Args:
        data_root (str): Folder that the following are below.
        ann_file (str): The JSON file.
        data_prefix (dict): ``img_path``, folder of the images.
            Default: dict(img_path='').
        points_from (str): Entry of an annotation that says where the object
            is: 'bbox' (x, y, width, height), of which the centre counts;
            'point' (x, y); or 'keypoints' (x, y, visibility, ...), of which
            the mean of those with a visibility above 0 counts, and the box
            where there is none. Default: 'bbox'.
        split (str): 'train', or 'val' for the part that ``hold_out`` puts
            aside; 'test' like 'train', but without such a part.
            Default: 'train'.
        **kwargs: Arguments of :class:`BoxCounting`.
    """

    POINTS = ('bbox', 'point', 'keypoints')

    def __init__(self,
                 data_root: str,
                 ann_file: str,
                 points_from: str = 'bbox',
                 **kwargs):
        if points_from not in self.POINTS:
            raise ValueError(f'points_from must be one of {self.POINTS}, but '
                             f'got {points_from!r}')
        self.points_from = points_from
        self._entries: Dict[str, List[dict]] = {}
        super().__init__(data_root, ann_file=ann_file, **kwargs)

    def list_files(self, split: str) -> List[dict]:
        content = self._read_file()
        self._names = {
            self._get(category, 'id', 'a category'):
            str(self._get(category, 'name', 'a category'))
            for category in content['categories']
        }
        folder = self.data_prefix.get('img_path', '')
        files = {}
        for image in content['images']:
            number = self._get(image, 'id', 'an image')
            label = f'{self.ann_file} (image {number})'
            self._entries[label] = []
            files[number] = dict(
                img_path=os.path.join(
                    folder, self._get(image, 'file_name', 'an image')),
                ann_path=label)
        for entry in content['annotations']:
            number = self._get(entry, 'image_id', 'an annotation')
            if number not in files:
                raise ValueError(f'an annotation of {self.ann_file} is of '
                                 f'image {number}, which is not in its images')
            self._entries[files[number]['ann_path']].append(entry)
        return list(files.values())

    def _read_file(self) -> dict:
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(f'the annotation {self.ann_file} is '
                                    'missing')
        try:
            with open(self.ann_file, encoding='utf-8') as file:
                content = json.load(file)
        except ValueError as error:
            raise ValueError(f'{self.ann_file} is not readable JSON: '
                             f'{error}') from error
        for key in ('images', 'annotations', 'categories'):
            if not isinstance(content, dict) or not isinstance(
                    content.get(key), list):
                raise ValueError(f'{self.ann_file} is not in COCO\'s format: '
                                 f'it has no list {key!r}')
        return content

    def _get(self, entry: Any, key: str, what: str) -> Any:
        if not isinstance(entry, dict) or key not in entry:
            raise ValueError(f'{what} of {self.ann_file} has no {key!r}: '
                             f'{str(entry)[:80]}')
        return entry[key]

    def read_annotation(self, ann_path: str) -> dict:
        """``points`` and ``ignore_boxes`` of one image of the JSON file."""
        return self.collect(
            [self._object(entry, ann_path)
             for entry in self._entries[ann_path]], ann_path)

    def known_classes(self) -> set:
        """Names of the categories."""
        return set(self._names.values())

    def _object(self, entry: dict, path: str) -> tuple:
        category = self._get(entry, 'category_id', 'an annotation')
        if category not in self._names:
            raise ValueError(f'an annotation of {path} is of category '
                             f'{category}, which is not in its categories')
        ignored = bool(entry.get('iscrowd')) or bool(entry.get('ignore'))
        key = 'bbox' if ignored else self.points_from
        if key == 'keypoints' and not any((entry.get(key) or ())[2::3]):
            key = 'bbox'  # an object of which no keypoint is labelled
        try:
            numbers = np.array(
                self._get(entry, key, 'an annotation'), float).ravel()
        except (TypeError, ValueError) as error:
            raise ValueError(f'{key!r} of an annotation of {path} is missing '
                             f'or has no numbers: {entry.get(key)}') from error
        length = dict(bbox=4, point=2).get(key)
        if (length and len(numbers) != length) or len(numbers) % (
                length or 3) or not len(numbers):
            raise ValueError(f'{key!r} of an annotation of {path} must have '
                             f'{length or "three times some"} numbers, but '
                             f'has {len(numbers)}')
        return (self._names[category], ignored, *self._place(key, numbers))

    @staticmethod
    def _place(key: str, numbers: np.ndarray) -> Tuple[tuple, tuple]:
        """Box, if any, and point."""
        if key == 'bbox':
            x, y, width, height = numbers.tolist()
            return ((x, y, x + width, y + height),
                    (x + width / 2, y + height / 2))
        if key == 'point':
            return (), tuple(numbers.tolist())
        triples = numbers.reshape(-1, 3)
        return (), tuple(triples[triples[:, 2] > 0, :2].mean(0).tolist())

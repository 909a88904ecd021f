"""Counting what is annotated in COCO's format."""
import os
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from mmengine.registry import DATASETS

from .annotation_files import as_size, load_json
from .boxes import BoxCounting


@DATASETS.register_module()
class COCOCounting(BoxCounting):
    """Counts objects of a dataset in COCO's format.

    One JSON file has ``images`` (``id``, ``file_name``, and ``width`` and
    ``height``, which must be the file's where they are given), ``annotations``
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
    PREFIXES, HAS_ANN_FILE = ('img_path', ), True

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
        self._sizes: Dict[str, Optional[Tuple[int, int]]] = {}
        super().__init__(data_root, ann_file=ann_file, **kwargs)

    def list_files(self, split: str) -> List[dict]:
        content = self._read_file()
        self._names: Dict[Any, str] = {}
        for category in content['categories']:
            number = self._get(category, 'id', 'a category')
            if number in self._names:
                raise ValueError(f'two categories of {self.ann_file} have '
                                 f'the id {number}')
            self._names[number] = str(
                self._get(category, 'name', 'a category'))
        folder = self.data_prefix.get('img_path', '')
        files = {}
        for image in content['images']:
            number = self._get(image, 'id', 'an image')
            if number in files:
                raise ValueError(f'two images of {self.ann_file} have the id '
                                 f'{number}')
            label = f'{self.ann_file} (image {number})'
            self._entries[label] = []
            self._sizes[label] = as_size(
                image.get('width'), image.get('height'))
            files[number] = dict(
                img_path=os.path.join(
                    folder, self._get(image, 'file_name', 'an image', str)),
                ann_path=label)
        for entry in content['annotations']:
            number = self._get(entry, 'image_id', 'an annotation')
            if number not in files:
                raise ValueError(f'an annotation of {self.ann_file} is of '
                                 f'image {number}, which is not in its images')
            self._entries[files[number]['ann_path']].append(entry)
        return list(files.values())

    def _read_file(self) -> dict:
        content = load_json(self.ann_file)
        for key in ('images', 'annotations', 'categories'):
            if not isinstance(content, dict) or not isinstance(
                    content.get(key), list):
                raise ValueError(f'{self.ann_file} is not in COCO\'s format: '
                                 f'it has no list {key!r}')
        return content

    def _get(self, entry: Any, key: str, what: str,
             kind: Any = (int, float, str)) -> Any:
        if not isinstance(entry, dict) or key not in entry:
            raise ValueError(f'{what} of {self.ann_file} has no {key!r}: '
                             f'{str(entry)[:80]}')
        if not isinstance(entry[key], kind):
            right = 'a text' if kind is str else 'a number or a text'
            raise ValueError(f'{key!r} of {what} of {self.ann_file} must be '
                             f'{right}: {str(entry)[:80]}')
        return entry[key]

    def read_annotation(self, ann_path: str) -> dict:
        """``points`` and ``ignore_boxes`` of one image of the JSON file."""
        found = self.collect(
            [self._object(entry, ann_path)
             for entry in self._entries[ann_path]], ann_path)
        return dict(found, stated_size=self._sizes[ann_path])

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
        numbers = self._numbers(entry, key, path)
        if key == 'keypoints' and not numbers[2::3].any():
            key = 'bbox'  # an object of which no keypoint is labelled
            numbers = self._numbers(entry, key, path)
        return (self._names[category], ignored, *self._place(key, numbers))

    @staticmethod
    def _numbers(entry: dict, key: str, path: str) -> np.ndarray:
        given = entry.get(key)
        if given is None and key == 'keypoints':
            given = ()
        try:
            numbers = np.array(given, float).ravel()
        except (TypeError, ValueError):
            numbers = np.array(np.nan)
        if numbers.ndim == 0 or given is None or isinstance(given, str):
            raise ValueError(f'{key!r} of an annotation of {path} is missing '
                             f'or has no numbers: {given}')
        length = dict(bbox=4, point=2).get(key)
        if (length and len(numbers) != length) or len(numbers) % (length or 3):
            raise ValueError(f'{key!r} of an annotation of {path} must have '
                             f'{length or "three times some"} numbers, but '
                             f'has {len(numbers)}')
        return numbers

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

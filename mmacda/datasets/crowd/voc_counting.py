"""Counting what is annotated in Pascal VOC's layout."""
import os
from glob import escape, glob
from typing import List
from xml.etree import ElementTree

from mmengine.registry import DATASETS

from .boxes import BoxCounting


@DATASETS.register_module()
class VOCCounting(BoxCounting):
    """Counts objects of a dataset in Pascal VOC's layout.

    Reads the names in ``ImageSets/Main/<split>.txt``,
    ``JPEGImages/<name>.jpg`` (or .jpeg, .png, .bmp) and
    ``Annotations/<name>.xml``. VOC's pixels count from 1. Objects marked
    as difficult are regions to ignore.

    Args:
        data_root (str): Folder of the above.
        split (str): 'train', 'val', 'trainval' or 'test'. Default: 'train'.
        count_difficult (bool): Whether to count what is marked as difficult.
            Default: False.
        **kwargs: Arguments of :class:`BoxCounting`.
    """

    SPLITS = ('train', 'val', 'trainval', 'test')
    ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp')

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 count_difficult: bool = False,
                 **kwargs):
        self.count_difficult = count_difficult
        super().__init__(data_root, split=split, **kwargs)

    def list_files(self, split: str) -> List[dict]:
        path = os.path.join(self.data_root, 'ImageSets', 'Main',
                            f'{split}.txt')
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f'the list {os.path.abspath(path)} is missing: VOC\'s layout '
                f'has the names of the {split} split in it, one a line, '
                'JPEGImages/<name>.jpg and Annotations/<name>.xml')
        with open(path, encoding='utf-8') as lines:
            names = [line.split()[0] for line in lines if line.strip()]
        return [
            dict(
                img_path=self._image(name),
                ann_path=os.path.join(self.data_root, 'Annotations',
                                      f'{name}.xml')) for name in names
        ]

    def _image(self, name: str) -> str:
        stem = os.path.join(self.data_root, 'JPEGImages', name)
        candidates = [
            stem + ending for lower in self.ENDINGS
            for ending in (lower, lower.upper())
        ]
        return next(filter(os.path.isfile, candidates), candidates[0])

    def read_annotation(self, ann_path: str) -> dict:
        """``points`` and ``ignore_boxes`` of an XML file."""
        if not os.path.isfile(ann_path):
            raise FileNotFoundError(f'the annotation {ann_path} is missing')
        try:
            root = ElementTree.parse(ann_path).getroot()
        except (ElementTree.ParseError, ValueError) as error:
            raise ValueError(
                f'{ann_path} is not readable XML: {error}') from error
        if root.tag != 'annotation':
            raise ValueError(f'{ann_path} is no annotation of VOC: its root '
                             f'is <{root.tag}>, not <annotation>')
        return self.collect(
            [self._object(entry, ann_path) for entry in root.iter('object')],
            ann_path)

    def known_classes(self) -> set:
        """Names in all annotations that can be read."""
        names = set()
        for path in glob(
                os.path.join(escape(self.data_root), 'Annotations', '*.xml')):
            try:
                entries = ElementTree.parse(path).getroot().iter('object')
            except (ElementTree.ParseError, ValueError):
                continue
            names.update((entry.findtext('name') or '').strip()
                         for entry in entries)
        return names

    def _object(self, entry: ElementTree.Element, path: str) -> tuple:
        name = (entry.findtext('name') or '').strip()
        if not name:
            raise ValueError(f'an object of {path} has no <name>')
        corners = []
        for key in ('xmin', 'ymin', 'xmax', 'ymax'):
            text = entry.findtext(f'bndbox/{key}')
            try:
                corners.append(float(text or ''))
            except ValueError:
                raise ValueError(f'<{key}> of a {name} in {path} is not a '
                                 f'number, but {text!r}') from None
        box = (corners[0] - 1, corners[1] - 1, corners[2], corners[3])
        difficult = (entry.findtext('difficult') or '0').strip() == '1'
        return (name, difficult and not self.count_difficult, box,
                ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))

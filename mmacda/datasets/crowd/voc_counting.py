"""Counting what is annotated in Pascal VOC's layout."""
import os
import re
from glob import escape, glob
from typing import List
from xml.etree import ElementTree

from mmengine.registry import DATASETS

from ...io.pictures import EXTENSIONS
from .annotation_files import as_size, read_lines
from .boxes import BoxCounting


@DATASETS.register_module()
class VOCCounting(BoxCounting):
    """Counts objects of a dataset in Pascal VOC's layout.

    Reads the names in ``ImageSets/Main/<split>.txt``,
    ``JPEGImages/<name>.jpg`` (or .png, .tif, ...) and
    ``Annotations/<name>.xml``, whose ``<size>`` must be the image's where it
    is given. A name may have its ending, or VOC's 1 or -1 after it. VOC's
    pixels count from 1. Objects marked as difficult are regions to ignore.

    Args:
        data_root (str): Folder of the above.
        split (str): 'train', 'val', 'trainval' or 'test'. Default: 'train'.
        count_difficult (bool): Whether to count what is marked as difficult.
            Default: False.
        **kwargs: Arguments of :class:`BoxCounting`.
    """

    SPLITS = ('train', 'val', 'trainval', 'test')
    # VOC's own first.
    ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp', *EXTENSIONS)

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
        return [self._pair(line) for line in read_lines(path)]

    def _pair(self, line: str) -> dict:
        """The files of a line: a name, which may hold spaces."""
        names = [line, re.sub(r'\s+-?[01]$', '', line)]
        for name in names:
            for ending in self.ENDINGS:
                for cased in (ending, ending.upper()):
                    image = self._below('JPEGImages', name + cased)
                    if os.path.isfile(image):
                        return self._files(name, image)
            stem, ending = os.path.splitext(name)
            image = self._below('JPEGImages', name)
            if ending.lower() in self.ENDINGS and os.path.isfile(image):
                return self._files(stem, image)
        return self._files(name, self._below('JPEGImages', f'{name}.jpg'))

    def _below(self, folder: str, name: str) -> str:
        return os.path.join(self.data_root, folder, name)

    def _files(self, name: str, image: str) -> dict:
        return dict(
            img_path=image,
            ann_path=self._below('Annotations', f'{name}.xml'))

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
        found = self.collect(
            [self._object(entry, ann_path) for entry in root.iter('object')],
            ann_path)
        return dict(
            found,
            stated_size=as_size(
                root.findtext('size/width'), root.findtext('size/height')))

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
        difficult = (entry.findtext('difficult') or '').strip().lower() in (
            '1', 'true', 'yes')
        return (name, difficult and not self.count_difficult, box,
                ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))

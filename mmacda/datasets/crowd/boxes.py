"""Counting from the annotations that people have: boxes or points.

The centre of a box is the point that stands for its object.
"""
from typing import Iterable, List, Optional, Sequence

import numpy as np

from .annotation_files import as_points
from .crowd_dataset import CrowdDataset

# What is inside is neither counted nor an error: (x1, y1, x2, y2) in pixels.
IGNORED = 'ignore_boxes'


class BoxCounting(CrowdDataset):
    """What datasets of boxes have in common.

    Samples also have ``ignore_boxes``, (M, 4) float32, the corners (x1, y1,
    x2, y2) of regions in which nobody says how many objects there are: points
    inside them are left out, and the transform ``FillIgnoredRegions`` paints
    over them.

    Args:
        data_root (str): Folder of the dataset.
        classes (Sequence[str], optional): Names of the classes that are
            counted, together. Default: None, all but ``ignore_classes``.
        ignore_classes (Sequence[str]): Names of the classes whose boxes are
            regions to ignore. Default: ().
        **kwargs: Arguments of :class:`CrowdDataset`.

    Raises:
        FileNotFoundError: If a folder, an image or an annotation is missing.
        ValueError: If an argument or a file is not what it should be, or a
            class has no object in the dataset.
    """

    def __init__(self,
                 data_root: str,
                 classes: Optional[Sequence[str]] = None,
                 ignore_classes: Sequence[str] = (),
                 **kwargs):
        for name, value in (('classes', classes),
                            ('ignore_classes', ignore_classes)):
            if isinstance(value, str):
                raise ValueError(f'{name} must be a list of names, but got '
                                 f'the text {value!r}: write [{value!r}]')
        if classes is not None and not len(classes):
            raise ValueError('classes must have a name, or be None for all')
        both = set(classes or ()) & set(ignore_classes)
        if both:
            raise ValueError(f'{sorted(both)} cannot be both in classes and '
                             'in ignore_classes')
        self.classes = None if classes is None else tuple(classes)
        self.ignore_classes = tuple(ignore_classes)
        self.seen: set = set()
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> List[dict]:
        data_list = super().load_data_list()
        unknown = {*(self.classes or ()), *self.ignore_classes} - self.seen
        if unknown:  # in this split: not yet an error
            names = self.seen | self.known_classes()
            unknown -= names
        if unknown:
            raise ValueError(
                f'{type(self).__name__}: no object of {sorted(unknown)} '
                f'occurs in {self.data_root}, only of {sorted(names)}')
        return data_list

    def known_classes(self) -> set:
        """Names of all classes of the dataset, in other splits too."""
        raise NotImplementedError

    def collect(self, objects: Iterable[tuple], path: str) -> dict:
        """Points and regions of one image.

        Args:
            objects (Iterable): Class, whether to ignore it, corners of its
                box (empty if it has none), and its point.
            path (str): The file they come from.

        Raises:
            ValueError: If a box has no size or a number is not finite.
        """
        points, regions = [], []
        for name, ignored, box, point in objects:
            self.seen.add(name)
            ignored_class = name in self.ignore_classes
            counted = self.classes is None or name in self.classes
            if not (counted or ignored_class):
                continue
            if box and not (np.isfinite(box).all() and box[0] < box[2]
                            and box[1] < box[3]):
                raise ValueError(f'a box of {path} has no size: corners '
                                 f'{tuple(box)}')
            if ignored or ignored_class:
                if box:
                    regions.append(box)
            else:
                points.append(point)
        found = as_points(points, path)
        boxes = np.asarray(regions, np.float32).reshape(-1, 4)
        for x1, y1, x2, y2 in boxes:
            inside = (found >= (x1, y1)) & (found < (x2, y2))
            found = found[~inside.all(1)]
        return {'points': found, IGNORED: boxes}

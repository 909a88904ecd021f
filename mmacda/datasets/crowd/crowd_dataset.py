"""What all crowd datasets have in common."""
import logging
from abc import abstractmethod
from collections import Counter
from typing import List, Optional, Tuple, Union

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .annotation_files import (as_points, check_size, count_outside,
                               image_size)


class CrowdDataset(BaseDataset):
    """Images of crowds with one point per head.

    Each sample is a dict with ``img_path``, ``points``, (N, 2) float32 x and
    y in pixels of the image as it is stored, ``gt_count`` = N and
    ``sample_idx``. Points are kept as they are annotated: duplicates count,
    and so do points outside the image, of which a warning tells once. Load
    the images with ``dict(type='LoadPicture', upright=False)``: three channels
    for grey images too, 16 bits as 8, no rotation by EXIF, which the points
    do not follow, and an error where a file is truncated.

    A sub-class says which files there are (:meth:`list_files`) and how an
    annotation is read (:meth:`read_annotation`).

    Args:
        data_root (str): Folder of the dataset.
        split (str): 'train', 'test', or 'val' for the part of the training
            set that ``hold_out`` puts aside. Default: 'train'.
        hold_out (float | int): Fraction (below 1) or number of the training
            images that are put aside for validation, so that checkpoints can
            be chosen without the test set. Give the same value to the 'train'
            and the 'val' split. Default: 0, nothing.
        hold_out_seed (int): Decides which images. Default: 0.
        skip_bad_files (bool): Whether to leave out images and annotations
            that cannot be used, list them in ``bad_files`` and in the log,
            and go on. Every image is then decoded once at the start.
            Default: False, they raise an error.
        max_pixels (int, optional): Larger images cannot be used; give it to
            ``LoadPicture`` too. Default: None, 179 million.
        **kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`, such as
            ``pipeline``, ``test_mode``, ``indices`` and ``metainfo``.

    Raises:
        FileNotFoundError: If a folder, an image or an annotation is missing.
        ValueError: If an argument or a file is not what it should be.
    """

    # Splits that come with the dataset.
    SPLITS: Tuple[str, ...] = ('train', 'test')
    # Arguments of BaseDataset that say where files are, which most layouts
    # fix: of those that a sub-class reads, the keys of ``data_prefix``.
    PREFIXES: Tuple[str, ...] = ()
    HAS_ANN_FILE = False

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 hold_out: Union[int, float] = 0,
                 hold_out_seed: int = 0,
                 skip_bad_files: bool = False,
                 max_pixels: Optional[int] = None,
                 **kwargs):
        name = type(self).__name__
        if split not in (*self.SPLITS, 'val'):
            raise ValueError(f'split of {name} must be one of '
                             f'{(*self.SPLITS, "val")}, but got {split!r}')
        self._check_paths(**kwargs)
        if isinstance(hold_out, (bool, str)) or not hold_out >= 0 or (
                hold_out > 1 and hold_out % 1):
            raise ValueError('hold_out must be a fraction below 1 or a number '
                             f'of images, but got {hold_out!r}')
        if hold_out and 'val' in self.SPLITS:
            raise ValueError(f'{name} has a val split of its own: hold_out '
                             f'must be 0, but got {hold_out}')
        if split == 'val' and not hold_out and 'val' not in self.SPLITS:
            raise ValueError(
                f'{name} comes without a val split: give hold_out, the '
                'fraction or number of training images to put aside, to the '
                'train and to the val dataset')
        self.split = split
        self.hold_out = hold_out
        self.hold_out_seed = hold_out_seed
        self.skip_bad_files = skip_bad_files
        self.max_pixels = max_pixels
        self.bad_files: List[Tuple[str, str]] = []
        super().__init__(data_root=data_root, **kwargs)

    def _check_paths(self,
                     ann_file: str = '',
                     data_prefix: Optional[dict] = None,
                     **kwargs) -> None:
        """Refuse where files would be looked for if the layout were free."""
        name = type(self).__name__
        if ann_file and not self.HAS_ANN_FILE:
            raise ValueError(f'{name} finds its annotations below data_root '
                             f'by itself: leave out ann_file={ann_file!r}')
        prefix = {} if data_prefix is None else data_prefix
        if not isinstance(prefix, dict) or any(
                value and key not in self.PREFIXES
                for key, value in prefix.items()):
            right = ', '.join(f'{key}=FOLDER' for key in self.PREFIXES)
            raise ValueError(
                f'data_prefix of {name} must be ' +
                (f'dict({right})' if right else 'left out: it finds its '
                 'images below data_root by itself') +
                f', but got {data_prefix!r}')

    @abstractmethod
    def list_files(self, split: str) -> List[dict]:
        """All images of one of ``SPLITS``, in a fixed order.

        Returns:
            list[dict]: ``img_path``, ``ann_path`` (None if the split has no
            public annotation), and what else goes into the sample.
        """

    @abstractmethod
    def read_annotation(self, ann_path: str) -> dict:
        """``points`` and what else of an annotation goes into the sample.

        ``stated_size``, width and height, does not: the image must have it.
        """

    def _hold_out(self, files: List[dict]) -> List[dict]:
        """The part of the training files that belongs to the split."""
        number = self.hold_out
        if number < 1:
            number = max(1, round(number * len(files)))
        if number >= len(files):
            raise ValueError(f'hold_out={self.hold_out} leaves none of the '
                             f'{len(files)} training images to train on')
        order = np.random.RandomState(self.hold_out_seed).permutation(
            len(files))
        held_out = set(order[:int(number)].tolist())
        return [file for i, file in enumerate(files)
                if (i in held_out) == (self.split == 'val')]

    def load_data_list(self) -> List[dict]:
        official = self.split if self.split in self.SPLITS else 'train'
        files = self.list_files(official)
        if not files:
            raise FileNotFoundError(
                f'{type(self).__name__} found no images of the {official} '
                f'split in {self.data_root}')
        paths = Counter(file['img_path'] for file in files)
        path, times = paths.most_common(1)[0]
        if times > 1:
            raise ValueError(f'{path} stands {times} times in the {official} '
                             f'split of {type(self).__name__}: it would '
                             'count more than others')
        if self.hold_out and official == 'train':
            files = self._hold_out(files)
        data_list, outside = [], {}
        for file in files:
            try:
                sample, num_outside = self._read(dict(file))
            except (OSError, ValueError) as error:
                if not self.skip_bad_files:
                    raise
                self.bad_files.append((file['img_path'], str(error)))
                continue
            data_list.append(sample)
            if num_outside:
                outside[file['img_path']] = num_outside
        self._warn(len(files), outside)
        if not data_list:
            raise ValueError(
                f'none of the {len(files)} images of the {self.split} split '
                f'of {type(self).__name__} can be used. The first: '
                f'{self.bad_files[0][1]}')
        return data_list

    def _read(self, file: dict) -> Tuple[dict, int]:
        ann_path = file.pop('ann_path')
        size = image_size(file['img_path'], self.skip_bad_files,
                          self.max_pixels)
        if ann_path is None:
            return file, 0
        file.update(self.read_annotation(ann_path))
        check_size(file.pop('stated_size', None), size, file['img_path'],
                   ann_path)
        file['points'] = as_points(file['points'], ann_path)
        file['gt_count'] = len(file['points'])
        return file, count_outside(file['points'], size, ann_path)

    def _warn(self, num_files: int, outside: dict) -> None:
        """One warning for all points outside, one for all bad files."""
        name = f'{type(self).__name__} ({self.split})'
        if outside:
            print_log(
                f'{name}: {sum(outside.values())} points of {len(outside)} '
                'images lie outside their image. They count, and density maps '
                f'have them at the border. First: {next(iter(outside))}',
                logger='current',
                level=logging.WARNING)
        if self.bad_files:
            reasons = '\n'.join(reason for _, reason in self.bad_files)
            print_log(
                f'{name}: left out {len(self.bad_files)} of {num_files} '
                f'images:\n{reasons}',
                logger='current',
                level=logging.WARNING)

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline, and name the file that cannot be read."""
        sample = self.get_data_info(idx)
        path = sample['img_path']
        try:
            return self.pipeline(sample)
        except (OSError, SyntaxError) as error:
            raise ValueError(f'{path} cannot be read: {error}') from error

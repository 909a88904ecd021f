"""Loading of degraded and clean images, with errors that name the file."""
from typing import Dict, Optional

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ...io import read_picture


@TRANSFORMS.register_module()
class LoadImagePair(BaseTransform):
    """Loads a degraded image and, if there is one, its ground truth, as RGB.

    In place of mmagic's ``LoadImageFromFile`` for both and ``SetValues``: the
    two have one colour order, and what is wrong with a file is said with its
    name. Without ``gt_path``, as in inference, the image alone is loaded.

    Required keys: ``img_path``, optionally ``gt_path``. Added keys: ``img``
    and ``gt``, uint8 of shape (H, W, 3), 16 bits reduced to 8 and turned as
    the camera's mark says; ``scale``; and for each image
    ``ori_<key>_shape``, ``<key>_channel_order`` and ``<key>_color_type``,
    which mmagic's data preprocessor reads.

    Args:
        scale (int): How many times larger the ground truth is. Default: 1.
        cache (bool): Keep decoded images in memory, 3 bytes per pixel, for
            small datasets. Each data worker keeps its own. Default: False.
        white (int, optional): See :func:`mmacda.io.load_picture`.
        max_pixels (int, optional): See :func:`mmacda.io.load_picture`.
    """

    def __init__(self,
                 scale: int = 1,
                 cache: bool = False,
                 white: Optional[int] = None,
                 max_pixels: Optional[int] = None):
        if not isinstance(scale, int) or scale < 1:
            raise ValueError(
                f'scale must be a positive integer, but got {scale!r}')
        self.scale = scale
        self.options = dict(white=white, max_pixels=max_pixels)
        self.cache: Optional[Dict[str, np.ndarray]] = {} if cache else None

    def transform(self, results: dict) -> dict:
        """Load the images of one sample.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If a file is not an image, or the sizes do not fit.
        """
        results['scale'] = self.scale
        for key in ('img', 'gt'):
            if f'{key}_path' not in results:
                continue
            image = self._load(results[f'{key}_path'])
            results[key] = image
            results[f'ori_{key}_shape'] = image.shape
            results[f'{key}_channel_order'] = 'rgb'
            results[f'{key}_color_type'] = 'color'
        if 'gt' in results:
            self._check_sizes(results)
        return results

    def _load(self, path: str) -> np.ndarray:
        if self.cache is not None and path in self.cache:
            return self.cache[path].copy()  # transforms work in place
        try:
            image = read_picture(path, 3, np.uint8, **self.options)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{path} does not exist, but its counterpart does') from None
        if self.cache is not None:
            self.cache[path] = image.copy()
        return image

    def _check_sizes(self, results: dict) -> None:
        (height, width), gt_size = (results[key].shape[:2]
                                    for key in ('img', 'gt'))
        if gt_size != (height * self.scale, width * self.scale):
            raise ValueError(
                f'{results["gt_path"]} has {gt_size[0]} x {gt_size[1]} '
                f'pixels, {results["img_path"]} has {height} x {width}: '
                f'expected {self.scale} times as many in both directions')

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(scale={self.scale}, '
                f'cache={self.cache is not None})')

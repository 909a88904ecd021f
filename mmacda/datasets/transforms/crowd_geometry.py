"""Transforms that move an image and the heads in it together.

Each keeps the number of points, except for the crop, which keeps those inside
it. Results without points, as in inference, are transformed all the same.
"""
import math
from typing import Optional, Tuple, Union

import mmcv
import numpy as np
from mmcv.image.geometric import cv2_interp_codes
from mmcv.transforms import BaseTransform, RandomFlip
from mmcv.transforms.utils import cache_randomness
from mmengine.registry import TRANSFORMS

from mmacda.structures import head_pixels


def _set_points(results: dict, points: np.ndarray) -> None:
    results['points'] = points.astype(np.float32)
    results['gt_count'] = len(points)


def _check_order(results: dict) -> None:
    if 'gt_density' in results:
        raise ValueError('GenerateDensityMap must come after every transform '
                         'that moves points: its map cannot be transformed '
                         'without changing its sum')


def _check_interpolation(name: str) -> None:
    if not isinstance(name, str) or name not in cv2_interp_codes:
        raise ValueError('interpolation must be one of '
                         f'{sorted(cv2_interp_codes)}, but got {name!r}')


def _resize(results: dict, height: int, width: int,
            interpolation: str) -> None:
    """Resize image and points, each axis with its own ratio."""
    _check_order(results)
    old_height, old_width = results['img'].shape[:2]
    if (height, width) == (old_height, old_width):
        return
    results['img'] = mmcv.imresize(
        results['img'], (width, height), interpolation=interpolation)
    results['img_shape'] = (height, width)
    ratio = np.array([width / old_width, height / old_height])
    results['scale_factor'] = tuple(
        (ratio * results.get('scale_factor', (1., 1.))).tolist())
    if 'points' in results:
        _set_points(results, results['points'] * ratio)


@TRANSFORMS.register_module()
class ResizeCrowd(BaseTransform):
    """Bring the size of an image into limits, and keep its aspect ratio.

    Required Keys: img, points (optional). Modified Keys: img, img_shape,
    points, scale_factor.

    Args:
        shorter_side (tuple[int, int], optional): Least and greatest length of
            the shorter side in pixels; an image inside is left alone. The
            default is the rule of most work on UCF-QNRF. Default: (512, 2048).
        longer_side (int, optional): Greatest length of the longer side in
            pixels, which has the last word over ``shorter_side``.
            Default: None.
        size_divisor (int): Both sides are rounded to the nearest multiple of
            this, or down where ``longer_side`` asks for it. Default: 1.
        interpolation (str): One of :func:`mmcv.imresize`.
            Default: 'bicubic'.

    Raises:
        ValueError: If the limits contradict each other.
    """

    def __init__(self,
                 shorter_side: Optional[Tuple[int, int]] = (512, 2048),
                 longer_side: Optional[int] = None,
                 size_divisor: int = 1,
                 interpolation: str = 'bicubic'):
        if shorter_side is not None and not (
                len(shorter_side) == 2
                and 0 < shorter_side[0] <= shorter_side[1]):
            raise ValueError('shorter_side must be (least, greatest) with 0 < '
                             f'least <= greatest, but got {shorter_side}')
        if size_divisor < 1:
            raise ValueError('size_divisor must be at least 1, but got '
                             f'{size_divisor}')
        if longer_side is not None and longer_side < size_divisor:
            raise ValueError(f'longer_side must be at least {size_divisor}, '
                             f'the size_divisor, but got {longer_side}')
        self.shorter_side = shorter_side
        self.longer_side = longer_side
        self.size_divisor = size_divisor
        _check_interpolation(interpolation)
        self.interpolation = interpolation

    def _round(self, length: float) -> int:
        multiples = max(1, round(length / self.size_divisor))
        if self.longer_side is not None:
            multiples = min(multiples, self.longer_side // self.size_divisor)
        return multiples * self.size_divisor

    def transform(self, results: dict) -> dict:
        shape = results['img'].shape[:2]
        ratio = 1.
        if self.shorter_side is not None:
            ratio = np.clip(min(shape), *self.shorter_side) / min(shape)
        if self.longer_side is not None:
            ratio = min(ratio, self.longer_side / max(shape))
        height, width = (self._round(side * ratio) for side in shape)
        _resize(results, height, width, self.interpolation)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(shorter_side={self.shorter_side}, '
                f'longer_side={self.longer_side}, '
                f'size_divisor={self.size_divisor}, '
                f"interpolation='{self.interpolation}')")


@TRANSFORMS.register_module()
class RandomScaleCrowd(BaseTransform):
    """Scale an image by a ratio drawn from a uniform distribution.

    Required Keys: img, points (optional). Modified Keys: img, img_shape,
    points, scale_factor.

    Args:
        ratio_range (tuple[float, float]): Least and greatest ratio.
            Default: (0.7, 1.3).
        min_side (int): An image whose shorter side would fall below this
            number of pixels is left alone, so that a crop that follows need
            not enlarge it again. Default: 1.
        interpolation (str): One of :func:`mmcv.imresize`.
            Default: 'bilinear'.

    Raises:
        ValueError: If the ratios are not positive or not in order.
    """

    def __init__(self,
                 ratio_range: Tuple[float, float] = (0.7, 1.3),
                 min_side: int = 1,
                 interpolation: str = 'bilinear'):
        if len(ratio_range) != 2 or not 0 < ratio_range[0] <= ratio_range[1]:
            raise ValueError('ratio_range must be (least, greatest) with 0 < '
                             f'least <= greatest, but got {ratio_range}')
        self.ratio_range = ratio_range
        self.min_side = min_side
        _check_interpolation(interpolation)
        self.interpolation = interpolation

    @cache_randomness
    def _choose_ratio(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        ratio = self._choose_ratio()
        height, width = (
            max(1, round(side * ratio)) for side in results['img'].shape[:2])
        if min(height, width) >= self.min_side:
            _resize(results, height, width, self.interpolation)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(ratio_range={self.ratio_range}, '
                f'min_side={self.min_side}, '
                f"interpolation='{self.interpolation}')")


@TRANSFORMS.register_module()
class RandomCropCrowd(BaseTransform):
    """Crop at a random place and keep the points inside.

    An image smaller than the crop is enlarged first, with its aspect ratio,
    until the crop just fits. A point outside the image counts in the crops
    that hold the pixel of the border to which it is clamped, so that crops
    which tile an image share out every head.

    Required Keys: img, points (optional). Modified Keys: img, img_shape,
    points, gt_count, scale_factor.

    Args:
        crop_size (int | tuple[int, int]): Side, or height and width, in
            pixels.
        interpolation (str): One of :func:`mmcv.imresize`, where an image has
            to be enlarged. Default: 'bicubic'.

    Raises:
        ValueError: If ``crop_size`` is not positive.
    """

    def __init__(self,
                 crop_size: Union[int, Tuple[int, int]],
                 interpolation: str = 'bicubic'):
        if isinstance(crop_size, int):
            crop_size = (crop_size, crop_size)
        if len(crop_size) != 2 or min(crop_size) < 1:
            raise ValueError('crop_size must be one or two positive integers, '
                             f'but got {crop_size}')
        self.crop_size = tuple(crop_size)
        _check_interpolation(interpolation)
        self.interpolation = interpolation

    @cache_randomness
    def _choose_corner(self, rows: int, columns: int) -> Tuple[int, int]:
        return np.random.randint(rows), np.random.randint(columns)

    def transform(self, results: dict) -> dict:
        _check_order(results)
        crop, shape = np.array(self.crop_size), results['img'].shape[:2]
        ratio = (crop / shape).max()
        if ratio > 1:
            height, width = (
                max(side, math.floor(length * ratio))
                for side, length in zip(self.crop_size, shape))
            _resize(results, height, width, self.interpolation)
            shape = (height, width)
        top, left = self._choose_corner(*(shape - crop + 1))
        bottom, right = top + crop[0], left + crop[1]
        results['img'] = results['img'][top:bottom, left:right]
        results['img_shape'] = self.crop_size
        if 'points' in results:
            column, row = head_pixels(results['points'], shape).T
            inside = ((top <= row) & (row < bottom) & (left <= column) &
                      (column < right))
            _set_points(results, results['points'][inside] - [left, top])
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(crop_size={self.crop_size}, '
                f"interpolation='{self.interpolation}')")


@TRANSFORMS.register_module()
class RandomFlipCrowd(RandomFlip):
    """Flip an image and its points at random.

    The pixel of a flipped point is the flipped pixel of the point, so that
    the density map of a flipped image is the flipped density map.

    Required Keys: img, points (optional). Modified Keys: img, points, flip,
    flip_direction.

    Args:
        prob (float): Probability of a flip. Default: 0.5.
        direction (str): 'horizontal', 'vertical' or 'diagonal'.
            Default: 'horizontal'.

    Raises:
        ValueError: If an argument is not supported.
    """

    def __init__(self, prob: float = 0.5, direction: str = 'horizontal'):
        if direction not in ('horizontal', 'vertical', 'diagonal'):
            raise ValueError("direction must be 'horizontal', 'vertical' or "
                             f"'diagonal', but got {direction!r}")
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], but got {prob}')
        super().__init__(prob=float(prob), direction=direction)

    def _flip(self, results: dict) -> None:
        _check_order(results)
        super()._flip(results)
        if 'points' not in results:
            return
        points = results['points'].copy()
        height, width = results['img'].shape[:2]
        for axis, length, still in ((0, width, 'vertical'),
                                    (1, height, 'horizontal')):
            if results['flip_direction'] == still:
                continue
            # Pixel p covers [p, p + 1): its left edge may not become the
            # right edge of the flipped one, which belongs to the next.
            pixel = (length - 1 - np.floor(points[:, axis])).astype(np.float32)
            points[:, axis] = np.clip(length - points[:, axis], pixel,
                                      np.nextafter(pixel + 1, pixel))
        _set_points(results, points)

"""From annotated points to a density map that sums to their number."""
from typing import Tuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


def head_pixels(points: np.ndarray, img_shape: Tuple[int, int]) -> np.ndarray:
    """The pixel of the image that each head belongs to.

    Args:
        points (ndarray): (N, 2) x and y, where pixel 0 covers [0, 1).
        img_shape (tuple[int, int]): Height and width of the image.

    Returns:
        ndarray: (N, 2) int64 column and row. A point outside the image
        belongs to the nearest pixel of the border.
    """
    limits = np.array([img_shape[1] - 1, img_shape[0] - 1])
    return np.clip(np.floor(points), 0, limits).astype(np.int64)


def density_map(points: np.ndarray,
                img_shape: Tuple[int, int],
                kernel_size: int = 15,
                sigma: float = 4.,
                stride: int = 1) -> np.ndarray:
    """Sum of one Gaussian per head, each of which sums to 1.

    The Gaussian is cut off at the border of the image and what is left of it
    is scaled up to 1 again, so that its peak stays on the head. Heads on one
    pixel accumulate. A stride sums the map over blocks of stride x stride
    pixels; blocks that stick out of the image are summed over what is inside.

    Args:
        points (ndarray): (N, 2) x and y; clamped into the image, see
            :func:`head_pixels`.
        img_shape (tuple[int, int]): Height and width of the image.
        kernel_size (int): Odd side of the Gaussian's window in pixels.
            Default: 15.
        sigma (float): Standard deviation in pixels. Default: 4.
        stride (int): Pixels of the image per pixel of the map. Default: 1.

    Returns:
        ndarray: (ceil(H / stride), ceil(W / stride)) float32, in people per
        pixel of the map.
    """
    height, width = img_shape
    offsets = np.arange(kernel_size) - kernel_size // 2
    kernel = np.exp(-0.5 * (offsets / sigma)**2)
    kernel /= kernel.sum()

    # The window is separable, and so is the mass that the border leaves.
    column, row = head_pixels(points, img_shape).T
    mass = (
        np.convolve(np.ones(height), kernel)[offsets[-1]:][:height][row] *
        np.convolve(np.ones(width), kernel)[offsets[-1]:][:width][column])
    heads = np.zeros((height, width))
    np.add.at(heads, (row, column), 1 / mass)
    density = cv2.sepFilter2D(
        heads, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    if stride > 1:
        density = np.add.reduceat(density, np.arange(0, height, stride), 0)
        density = np.add.reduceat(density, np.arange(0, width, stride), 1)
    return density.astype(np.float32)


@TRANSFORMS.register_module()
class GenerateDensityMap(BaseTransform):
    """Add the density map of the points, see :func:`density_map`.

    It follows every transform that moves points. The defaults are the window
    that most counting code uses; the paper says only "a fixed-size Gaussian
    kernel".

    Required Keys: img_shape, points. Added Keys: gt_density, (H, W) float32,
    whose sum is the number of points.

    Args:
        kernel_size (int): Odd side of the Gaussian's window in pixels.
            Default: 15.
        sigma (float): Standard deviation in pixels. Default: 4.
        stride (int): Pixels of the image per pixel of the map; the map is
            summed over blocks, never interpolated. Default: 1.

    Raises:
        ValueError: If an argument is out of range, or there are no points.
    """

    def __init__(self,
                 kernel_size: int = 15,
                 sigma: float = 4.,
                 stride: int = 1):
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError('kernel_size must be odd and positive, but got '
                             f'{kernel_size}')
        if not sigma > 0:
            raise ValueError(f'sigma must be positive, but got {sigma}')
        if stride < 1:
            raise ValueError(f'stride must be at least 1, but got {stride}')
        self.kernel_size = kernel_size
        self.sigma = sigma
        self.stride = stride

    def transform(self, results: dict) -> dict:
        if 'points' not in results:
            raise ValueError('GenerateDensityMap needs the points of '
                             f"{results.get('img_path', 'the image')}, but "
                             f'got only {sorted(results)}')
        results['gt_density'] = density_map(results['points'],
                                            results['img_shape'],
                                            self.kernel_size, self.sigma,
                                            self.stride)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(kernel_size={self.kernel_size}, '
                f'sigma={self.sigma}, stride={self.stride})')

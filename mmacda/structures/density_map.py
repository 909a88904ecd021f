"""From annotated points to a density map that sums to their number."""
from typing import Tuple

import cv2
import numpy as np


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

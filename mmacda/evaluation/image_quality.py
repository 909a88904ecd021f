"""PSNR and SSIM as the references of super-resolution and denoising do it.

Images are uint8 arrays of shape (H, W) or (H, W, C); what a network predicts
is rounded to that first, by :func:`to_uint8`. Shared by
:class:`RealSRMetric` and :class:`SIDDMetric`.
"""
from typing import Any, Iterator, List

import mmcv
import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor

PEAK = 255.
SIGMA, RADIUS = 1.5, 5  # of SSIM's Gaussian window, 11 pixels wide
C1, C2 = (0.01 * PEAK)**2, (0.03 * PEAK)**2
SSIM_WINDOWS = ('2d', '3d')
TILE, STEP = 1200, 800


def to_uint8(image: Any) -> np.ndarray:
    """Clip to [0, 255] and round to the nearest integer.

    Args:
        image (Tensor | np.ndarray): Tensor of shape (C, H, W), or array of
            shape (H, W) or (H, W, C), with white at 255.

    Returns:
        np.ndarray: uint8 of shape (H, W) or (H, W, C); halves are rounded up,
        as MATLAB does.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu().permute(1, 2, 0).numpy()
    if image.dtype == np.uint8:
        return image
    return np.floor(np.clip(image, 0, PEAK) + 0.5).astype(np.uint8)


def luma(image: np.ndarray) -> np.ndarray:
    """Y of BT.601 in studio range, 16 to 235, rounded: MATLAB's rgb2ycbcr.

    Args:
        image (np.ndarray): uint8 of shape (H, W, 3), BGR; or of one channel,
            which is taken for Y.

    Returns:
        np.ndarray: uint8 of shape (H, W).
    """
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2])
    return mmcv.bgr2ycbcr(image, y_only=True)


def check_pair(prediction: np.ndarray, target: np.ndarray) -> None:
    """Refuse what cannot be compared.

    Raises:
        TypeError: If an image is not uint8.
        ValueError: If the shapes differ.
    """
    for name, image in (('prediction', prediction), ('target', target)):
        given = getattr(image, 'dtype', type(image).__name__)
        if not isinstance(image, np.ndarray) or given != np.uint8:
            raise TypeError(f'the {name} must be an array of uint8, but got '
                            f'{given}; see to_uint8')
    if prediction.shape != target.shape:
        raise ValueError('prediction and target must have the same shape, but '
                         f'got {prediction.shape} and {target.shape}')


def psnr(prediction: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, all channels pooled.

    Args:
        prediction (np.ndarray): uint8 of shape (H, W) or (H, W, C).
        target (np.ndarray): The same.

    Returns:
        float: 10 log10(255^2 / mean squared error); inf for equal images.
    """
    check_pair(prediction, target)
    error = np.square(prediction.astype(np.float64) - target).mean()
    return float('inf') if error == 0 else 10 * np.log10(PEAK**2 / error)


def ssim(prediction: np.ndarray,
         target: np.ndarray,
         window: str = '2d') -> float:
    """Structural similarity, window of Gaussian weights (sigma 1.5).

    The two windows give different numbers for colour images, which must not
    be compared: about 0.91 with '2d' is about 0.96 with '3d' on SIDD.

    Args:
        prediction (np.ndarray): uint8 of shape (H, W) or (H, W, C).
        target (np.ndarray): The same.
        window (str): '2d' for 11 x 11 pixels, inside the image, per channel,
            and the mean over channels: as in Wang et al.'s code, scikit-image
            and mmagic. '3d' for 11 x 11 x 11 over rows, columns and channels,
            borders replicated: MATLAB's ``ssim`` of a colour image, and the
            numbers of MPRNet, Restormer and NAFNet. Default: '2d'.

    Returns:
        float: At most 1.

    Raises:
        ValueError: If the window is unknown or larger than the image.
    """
    check_pair(prediction, target)
    if window not in SSIM_WINDOWS:
        raise ValueError(f'window must be one of {SSIM_WINDOWS}, but got '
                         f'{window!r}')
    x, y = (a.reshape(*a.shape[:2], -1).astype(np.float64)
            for a in (prediction, target))
    if min(x.shape[:2]) <= 2 * RADIUS:
        raise ValueError('SSIM needs at least 11 x 11 pixels, but got '
                         f'{x.shape[0]} x {x.shape[1]}')
    sigma = (SIGMA, SIGMA, SIGMA if window == '3d' else 0)

    def mean(values: np.ndarray) -> np.ndarray:
        values = gaussian_filter(
            values, sigma, mode='nearest', truncate=RADIUS / SIGMA)
        return values if window == '3d' else \
            values[RADIUS:-RADIUS, RADIUS:-RADIUS]

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + C1) * (2 * covariance + C2) / (
        (mean_x**2 + mean_y**2 + C1) * (variances + C2))
    return float(similarity.mean())


def tiles(image: np.ndarray) -> Iterator[np.ndarray]:
    """The parts that RealSR's reference evaluation counts as images.

    Args:
        image (np.ndarray): Shape (H, W, ...).

    Yields:
        np.ndarray: Tiles of 1200 x 1200 pixels at steps of 800, the last ones
        flush with the border; the image itself unless both of its sides
        exceed 1200.
    """
    if min(image.shape[:2]) <= TILE:
        yield image
        return
    rows, columns = (_starts(side) for side in image.shape[:2])
    for top in rows:
        for left in columns:
            yield image[top:top + TILE, left:left + TILE]


def _starts(side: int) -> List[int]:
    return [*range(0, side - TILE, STEP), side - TILE]

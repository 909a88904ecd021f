"""Degradations that differ from pixel to pixel, as a camera's do.

Images are float64 of shape (H, W, 3) in [0, 1], sRGB.
"""
from typing import NamedTuple, Tuple

import mmcv
import numpy as np
from scipy.ndimage import gaussian_filter

# Noise of the sensor at ISO 100, in linear light with white at 1: variance of
# the shot noise at white, and standard deviation of the read noise.
SHOT_VARIANCE, READ_DEVIATION = 1e-4, 1.5e-4


class Lens(NamedTuple):
    """Blur of a lens.

    Attributes:
        centre (float): Standard deviation in the image's centre, in pixels of
            the low resolution.
        corner (float): The same in its corners.
    """
    centre: float
    corner: float


# The stand-ins for RealSR's two cameras.
LENSES = dict(Canon=Lens(0.35, 0.9), Nikon=Lens(0.5, 0.7))


def smooth_field(shape: Tuple[int, int], low: float, high: float,
                 rng: np.random.Generator) -> np.ndarray:
    """A random map of shape (H, W) that reaches from low to high."""
    height, width = shape
    field = mmcv.imresize(
        rng.random((6, 6)), (width, height), interpolation='bicubic')
    field = (field - field.min()) / np.ptp(field)
    return low + (high - low) * field


def squared_radius(shape: Tuple[int, int]) -> np.ndarray:
    """Squared distance from the centre; 1 in the corners."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    return (y[:, None]**2 + x**2) / 2


def to_linear(image: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values (IEC 61966-2-1)."""
    return np.where(image <= 0.04045, image / 12.92,
                    ((image + 0.055) / 1.055)**2.4)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """sRGB values of linear light, clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92,
                    1.055 * light**(1 / 2.4) - 0.055)


def add_camera_noise(image: np.ndarray, iso: int,
                     rng: np.random.Generator) -> np.ndarray:
    """Shot and read noise, whose gain differs over the image.

    The variance in linear light is ``g * SHOT_VARIANCE * light +
    (g * READ_DEVIATION)**2``. The gain g is ``iso / 100`` times the
    correction of vignetting (1 in the centre, 4 in the corners) and of a
    random, smooth illumination (0.5 to 2).

    Args:
        image (np.ndarray): Clean image.
        iso (int): Sensitivity.
        rng (np.random.Generator): Source of the noise.

    Returns:
        np.ndarray: Noisy image, clipped to [0, 1].
    """
    shape = image.shape[:2]
    gain = iso / 100 * (1 + 3 * squared_radius(shape)) * smooth_field(
        shape, 0.5, 2, rng)
    light = to_linear(image)
    gain = gain[..., None]
    variance = gain * SHOT_VARIANCE * light + (gain * READ_DEVIATION)**2
    return to_srgb(light +
                   np.sqrt(variance) * rng.standard_normal(image.shape))


def blur(image: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Gaussian blur of another width at every pixel.

    Args:
        image (np.ndarray): Image.
        deviation (np.ndarray): Standard deviation in pixels, shape (H, W).

    Returns:
        np.ndarray: Linear interpolation between the image blurred as a whole
        with five widths, equally spaced over those that occur.
    """
    levels = np.linspace(deviation.min(), deviation.max(), 5)
    step = max(levels[1] - levels[0], 1e-12)
    result = np.zeros_like(image)
    for level in levels:
        weight = np.clip(1 - abs(deviation - level) / step, 0, None)
        result += weight[..., None] * gaussian_filter(
            image, (level, level, 0), mode='nearest', truncate=3)
    return result


def reduce(image: np.ndarray, scale: int, lens: Lens,
           rng: np.random.Generator) -> np.ndarray:
    """What a lens and a sensor of ``scale`` times fewer pixels would see.

    Blur that grows towards the corners and differs smoothly over the image,
    the mean over ``scale`` x ``scale`` pixels, and noise of ISO 100.

    Args:
        image (np.ndarray): High resolution; its sides are multiples of
            ``scale``.
        scale (int): Ratio of the resolutions.
        lens (Lens): Blur of the lens.
        rng (np.random.Generator): Source of the variation and the noise.

    Returns:
        np.ndarray: Low resolution, ``scale`` times smaller.
    """
    height, width = image.shape[:2]
    deviation = lens.centre + (lens.corner - lens.centre) * squared_radius(
        (height, width))
    deviation *= scale * smooth_field((height, width), 0.7, 1.3, rng)
    pixels = blur(image, deviation).reshape(height // scale, scale,
                                            width // scale, scale, 3)
    return add_camera_noise(pixels.mean((1, 3)), 100, rng)


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic interpolation, rounded to uint8.

    Args:
        image (np.ndarray): uint8, shape (H, W, 3).
        scale (int): Enlargement.

    Returns:
        np.ndarray: uint8, shape (scale * H, scale * W, 3).
    """
    height, width = image.shape[:2]
    return mmcv.imresize(
        image, (scale * width, scale * height), interpolation='bicubic')

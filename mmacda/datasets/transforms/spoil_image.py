"""A clean image spoilt while a network trains: noise, or fewer pixels."""
from typing import Any, Sequence

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ..degradation import add_camera_noise


@TRANSFORMS.register_module()
class AddNoise(BaseTransform):
    """Makes a noisy ``img`` of a clean ``gt``, every time another one.

    White Gaussian noise of a strength drawn uniformly; or a camera's, whose
    strength differs from pixel to pixel and with the light, at a sensitivity
    drawn uniformly on a scale of stops.

    Required key: ``gt``, uint8 RGB of shape (H, W, 3). Added key: ``img``, the
    same, rounded and clipped as a file holds it.

    Args:
        sigma (Sequence[float]): Least and largest standard deviation of the
            Gaussian noise, white at 255. Default: (0, 50).
        iso (Sequence[float]): Least and largest sensitivity of the camera.
            Default: (200, 12800).
        camera_prob (float): How often it is a camera's noise, in [0, 1].
            Default: 0.3.

    Raises:
        ValueError: If a range or ``camera_prob`` is none.
    """

    def __init__(self,
                 sigma: Sequence[float] = (0, 50),
                 iso: Sequence[float] = (200, 12800),
                 camera_prob: float = 0.3):
        for name, limits, least in (('sigma', sigma, 0), ('iso', iso, 1)):
            if len(limits) != 2 or not least <= limits[0] <= limits[1]:
                raise ValueError(
                    f'{name} must be a least and a largest value, from '
                    f'{least} on, but got {limits!r}')
        if not 0 <= camera_prob <= 1:
            raise ValueError('camera_prob must be in [0, 1], but got '
                             f'{camera_prob!r}')
        self.sigma, self.iso = tuple(sigma), tuple(iso)
        self.camera_prob = camera_prob

    def transform(self, results: dict) -> dict:
        clean = results['gt']
        # From the seed that MMEngine gives each worker.
        rng = np.random.default_rng(np.random.randint(2**31))
        if rng.random() < self.camera_prob:
            iso = np.exp(rng.uniform(*np.log(self.iso)))
            noisy = 255 * add_camera_noise(clean / 255, iso, rng)
        else:
            noisy = clean + rng.uniform(*self.sigma) * rng.standard_normal(
                clean.shape)
        results['img'] = _as_stored(noisy)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(sigma={self.sigma}, iso={self.iso}, '
                f'camera_prob={self.camera_prob})')


@TRANSFORMS.register_module()
class ReduceImage(BaseTransform):
    """Makes an ``img`` of fewer pixels of ``gt``.

    By the mean over ``scale`` x ``scale`` pixels, as a sensor of fewer pixels
    sees, or by bicubic interpolation that is widened to avoid aliasing, as
    programs for pictures do; either one as often.

    Required key: ``gt``, uint8 RGB of shape (H, W, 3), sides multiples of
    ``scale``. Added keys: ``img``, the same, ``scale`` times smaller;
    ``scale``.

    Args:
        scale (int): Ratio of the sizes, at least 2. Default: 2.
        filters (Sequence[str]): Of 'box' and 'bicubic', from which one is
            drawn. Default: both.

    Raises:
        ValueError: If ``scale`` or a filter is none, or the sides of an image
            are no multiples of the scale.
    """

    def __init__(self,
                 scale: int = 2,
                 filters: Sequence[str] = ('box', 'bicubic')):
        if not isinstance(scale, int) or scale < 2:
            raise ValueError(
                f'scale must be a whole number from 2 on, but got {scale!r}')
        if not filters or not set(filters) <= {'box', 'bicubic'}:
            raise ValueError("filters must be of 'box' and 'bicubic', but got "
                             f'{filters!r}')
        self.scale, self.filters = scale, tuple(filters)

    def transform(self, results: dict) -> dict:
        clean = results['gt']
        height, width = clean.shape[:2]
        if height % self.scale or width % self.scale:
            raise ValueError(f'an image of {height} x {width} pixels cannot '
                             f'become {self.scale} times smaller')
        name = self.filters[np.random.randint(len(self.filters))]
        results['img'] = mmcv.imresize(
            clean, (width // self.scale, height // self.scale),
            interpolation=name,
            backend='pillow')
        results['scale'] = self.scale
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(scale={self.scale}, '
                f'filters={self.filters})')


def _as_stored(image: Any) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)

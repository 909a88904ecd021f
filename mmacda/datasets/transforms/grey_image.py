"""Any picture as a network of one channel takes it."""
from typing import Any, Dict

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GreyImage(BaseTransform):
    """One channel, whatever the image has.

    For test pipelines of grey data sets: inferencers read files in colour,
    and take arrays of one or three channels.

    Required keys: ``img``, uint8, shape (H, W), (H, W, 1), BGR (H, W, 3) or
    BGRA (H, W, 4). Modified keys: ``img``, shape (H, W, 1).

    Raises:
        TypeError: If the image is not of uint8.
        ValueError: If it has another shape.
    """

    def transform(self, results: Dict[str, Any]) -> Dict[str, Any]:
        image = results['img']
        if image.dtype != np.uint8:
            raise TypeError('an image must be uint8 in 0 ... 255, but is '
                            f'{image.dtype}: scale and convert it')
        if image.ndim == 2:
            image = image[..., None]
        if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
            raise ValueError(
                'an image must have the shape (H, W), (H, W, 1), (H, W, 3) or '
                f'(H, W, 4), but has {image.shape}')
        if image.shape[2] > 1:
            image = mmcv.bgr2gray(
                np.ascontiguousarray(image[..., :3]), keepdim=True)
        results['img'] = image
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

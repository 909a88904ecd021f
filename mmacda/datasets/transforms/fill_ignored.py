"""Painting over what is not annotated."""
from typing import Sequence, Union

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FillIgnoredRegions(BaseTransform):
    """Fills the regions in which nobody says how many objects there are.

    A network can then neither learn that they are empty nor be charged with
    what it counts there. Comes right after the image is loaded, before what
    moves it.

    Required keys: ``img``, ``ignore_boxes`` (optional), (M, 4) corners (x1,
    y1, x2, y2) in pixels. Modified keys: ``img``.

    Args:
        fill (float | Sequence[float]): Value, or one for each channel in the
            image's order. Default: (104, 116, 124), ImageNet's mean in BGR.
    """

    def __init__(self,
                 fill: Union[float, Sequence[float]] = (104, 116, 124)):
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Fill the regions of one image."""
        boxes = np.asarray(results.get('ignore_boxes', ()), float)
        if boxes.size == 0:
            return results
        image = results['img'].copy()
        for x1, y1, x2, y2 in boxes.reshape(-1, 4):
            image[max(0, int(np.floor(y1))):max(0, int(np.ceil(y2))),
                  max(0, int(np.floor(x1))):max(0, int(np.ceil(x2)))] = \
                self.fill
        results['img'] = image
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(fill={self.fill})'

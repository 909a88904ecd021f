"""Loading of an image in any format, depth and orientation."""
from typing import Optional

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from ...io import read_picture


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Loads an image by the package's own reader.

    In place of mmcv's ``LoadImageFromFile``, which cuts grey of 16 bits off
    at 255, fills truncated files up with grey, and turns some formats and
    not others.

    Required key: ``img_path``. Added keys: ``img``, uint8 of shape (H, W, C);
    ``img_shape``, ``ori_shape``, ``ori_img_shape``, ``img_channel_order`` and
    ``img_color_type``.

    Args:
        channels (int): 3, colours, or 1, grey. Default: 3.
        order (str): 'bgr', as everywhere in OpenMMLab, or 'rgb'.
            Default: 'bgr'.
        upright (bool): Turn the image as its camera's mark says. Points and
            boxes that were annotated on the image as it is stored do not
            turn with it. Default: True.
        white (int, optional): See :func:`mmacda.io.load_picture`.
        max_pixels (int, optional): See :func:`mmacda.io.load_picture`.
    """

    def __init__(self,
                 channels: int = 3,
                 order: str = 'bgr',
                 upright: bool = True,
                 white: Optional[int] = None,
                 max_pixels: Optional[int] = None):
        if channels not in (1, 3):
            raise ValueError(f'channels must be 1 or 3, but got {channels}')
        self.options = dict(
            channels=channels,
            order=order,
            upright=upright,
            white=white,
            max_pixels=max_pixels)

    def transform(self, results: dict) -> dict:
        """Load the image of one sample.

        Raises:
            FileNotFoundError: If the file does not exist.
            ValueError: If it is no image, or damaged.
        """
        image = read_picture(
            results['img_path'], dtype=np.uint8, **self.options)
        grey = self.options['channels'] == 1
        results.update(
            img=image,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            ori_img_shape=image.shape,
            img_channel_order=self.options['order'],
            img_color_type='grayscale' if grey else 'color')
        return results

    def __repr__(self) -> str:
        options = ', '.join(f'{k}={v!r}' for k, v in self.options.items())
        return f'{type(self).__name__}({options})'

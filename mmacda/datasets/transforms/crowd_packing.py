"""The last step of a counting pipeline."""
from typing import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from mmacda.structures import CountingDataSample


@TRANSFORMS.register_module()
class PackCrowdInputs(BaseTransform):
    """Pack an image and its annotation for a counting model.

    Required Keys: img; points, gt_count and gt_density (optional). The result
    is ``dict(inputs=..., data_samples=...)``: ``inputs`` is the (3, H, W)
    tensor of the image with its dtype and channel order as they are, which is
    uint8 and BGR after LoadImageFromFile; ``data_samples`` is a
    :class:`CountingDataSample`.

    Args:
        meta_keys (Sequence[str]): Keys of the results that become metainfo,
            those among them that there are.
    """

    def __init__(self,
                 meta_keys: Sequence[str] = ('img_path', 'sample_idx',
                                             'ori_shape', 'img_shape',
                                             'scale_factor', 'flip',
                                             'illumination', 'crowd_level')):
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        img = results['img']
        if img.ndim != 3:
            raise ValueError('PackCrowdInputs expects an image of shape (H, '
                             f'W, C), but got {img.shape}: load it with '
                             "color_type='color_ignore_orientation'")
        sample = CountingDataSample(metainfo={
            key: results[key]
            for key in self.meta_keys if key in results
        })
        if 'points' in results:
            sample.gt_points = torch.from_numpy(
                np.asarray(results['points'], np.float32).reshape(-1, 2))
            sample.gt_count = len(results['points'])
        if 'gt_density' in results:
            sample.gt_density = torch.from_numpy(results['gt_density'])[None]
        inputs = torch.from_numpy(
            np.ascontiguousarray(img.transpose(2, 0, 1)))
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'

"""One image of a crowd, its annotation and what a model says of it."""
from mmengine.structures import BaseDataElement


class CountingDataSample(BaseDataElement):
    """Annotation and prediction of one image.

    Metainfo: ``img_path``, ``ori_shape`` and ``img_shape`` (H, W),
    ``sample_idx``.

    Attributes:
        gt_count (int): Number of annotated points of the image (or of the
            crop, in training), those outside the image included.
        gt_points (Tensor): (N, 2) float32, x and y in pixels of the image as
            it goes into the model.
        gt_density (Tensor): (1, H, W) float32 density map in people per
            pixel, without the density factor; training pipelines only.
        pred_count (float): Sum of ``pred_density``.
        pred_density (Tensor): (1, H, W) predicted density map in people per
            pixel, at the size of the image that went in.
    """

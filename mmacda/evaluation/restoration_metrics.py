"""Metrics that follow the reference evaluations of RealSR and SIDD."""
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from .image_quality import luma, psnr, ssim, tiles, to_uint8


class RestorationMetric(BaseMetric):
    """Averages what a subclass measures of pairs of uint8 images.

    Takes mmagic's data samples, whose ``gt_img`` and ``output.pred_img`` are
    BGR with white at 255. Works with MMEngine's evaluator and with mmagic's,
    which asks metrics for more than MMEngine does.

    Args:
        collect_device (str): 'cpu' or 'gpu'. Default: 'cpu'.
        prefix (str, optional): Before the names of the results. Default:
            None, the metric's own.
    """

    # mmagic's evaluator groups metrics by these two.
    SAMPLER_MODE = 'normal'
    sample_model = 'orig'

    def __init__(self,
                 collect_device: str = 'cpu',
                 prefix: Optional[str] = None):
        super().__init__(collect_device, prefix)
        self.size: Optional[int] = None

    def measure(self, prediction: np.ndarray,
                target: np.ndarray) -> Dict[str, List[float]]:
        """Per name, the values of one pair of uint8 (H, W, C) images."""
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Measure the pairs of one batch.

        Raises:
            KeyError: If a sample has no ground truth or no prediction.
            ValueError: If the two differ in shape.
        """
        for sample in data_samples:
            path = sample.get('gt_path', 'a sample')
            try:
                pair = sample['output']['pred_img'], sample['gt_img']
            except KeyError as error:
                raise KeyError(f'{path} has no {error}: '
                               f'{type(self).__name__} compares '
                               'output.pred_img with gt_img') from None
            if pair[0].shape != pair[1].shape:
                raise ValueError(
                    f'{path}: the prediction has shape '
                    f'{tuple(pair[0].shape)}, the ground truth '
                    f'{tuple(pair[1].shape)}')
            self.results.append(self.measure(*map(to_uint8, pair)))

    def compute_metrics(self, results: List[dict]) -> Dict[str, float]:
        """Means over all values of all pairs."""
        return {
            name: float(np.mean([v for result in results
                                 for v in result[name]]))
            for name in results[0]
        }

    def prepare(self, module: Any, dataloader: Any) -> None:
        """Called by mmagic's evaluator before evaluation."""
        self.size = len(dataloader.dataset)

    def get_metric_sampler(self, model: Any, dataloader: Any,
                           metrics: Any) -> Any:
        """Called by mmagic's evaluator: what to iterate over."""
        return dataloader

    def evaluate(self, size: Optional[int] = None) -> Dict[str, float]:
        """Results of the whole dataset; mmagic's evaluator gives no size."""
        return super().evaluate(self.size if size is None else size)


@METRICS.register_module()
class RealSRMetric(RestorationMetric):
    """PSNR and SSIM as in RealSR's reference evaluation.

    Both images are rounded to uint8 and cut to a multiple of ``modcrop``, and
    their Y (BT.601, 16 to 235, rounded) is compared; no border is shaved.
    mmagic's PSNR and SSIM do not round.

    Results: ``PSNR`` in dB and ``SSIM``, prefixed with 'RealSR', or with
    'RealSR-tiles' if ``tile_mean``.

    Args:
        tile_mean (bool): Count every 1200 x 1200 tile of an image with both
            sides above 1200 pixels as an image of its own, at steps of 800
            pixels, as the reference does (which also runs its networks tile
            by tile). Published means are over tiles. Default: False.
        modcrop (int): Default: 4, the reference's.
        **kwargs: Of :class:`RestorationMetric`.
    """

    def __init__(self,
                 tile_mean: bool = False,
                 modcrop: int = 4,
                 **kwargs: Any):
        kwargs.setdefault('prefix', 'RealSR-tiles' if tile_mean else 'RealSR')
        super().__init__(**kwargs)
        self.tile_mean = tile_mean
        self.modcrop = modcrop

    def measure(self, prediction: np.ndarray,
                target: np.ndarray) -> Dict[str, List[float]]:
        height, width = (side // self.modcrop * self.modcrop
                         for side in target.shape[:2])
        pairs = [
            luma(image[:height, :width]) for image in (prediction, target)
        ]
        pairs = list(zip(*map(tiles, pairs))) if self.tile_mean else [pairs]
        return dict(
            PSNR=[psnr(*pair) for pair in pairs],
            SSIM=[ssim(*pair) for pair in pairs])


@METRICS.register_module()
class SIDDMetric(RestorationMetric):
    """PSNR and SSIM of SIDD's sRGB blocks, rounded to uint8.

    Results, prefixed with 'SIDD': ``PSNR`` in dB, all channels pooled;
    ``SSIM-2d`` and ``SSIM-3d``, the two conventions of
    :func:`mmacda.evaluation.image_quality.ssim`. SIDD's server and the tables
    of Restormer and NAFNet have the latter, VDNet's validation the former.

    Args:
        **kwargs: Of :class:`RestorationMetric`.
    """

    default_prefix = 'SIDD'

    def measure(self, prediction: np.ndarray,
                target: np.ndarray) -> Dict[str, List[float]]:
        return {
            'PSNR': [psnr(prediction, target)],
            'SSIM-2d': [ssim(prediction, target, '2d')],
            'SSIM-3d': [ssim(prediction, target, '3d')]
        }

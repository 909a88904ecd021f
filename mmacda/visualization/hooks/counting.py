"""Pictures of counted images while a network trains."""
from typing import Any, Optional, Sequence

import numpy as np
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmacda.structures import CountingDataSample, density_map
from ..density import draw_densities
from .pictures import PictureHook


@HOOKS.register_module()
class CountingVisualizationHook(PictureHook):
    """Writes input, ground truth and prediction side by side.

    The layout of the paper's Figure 8, with both counts; the ground truth's
    map sets the scale of colours. Of an image without annotation, input and
    prediction are drawn. The pictures go to every backend of the runner's
    visualizer, TensorBoard's included.

    Args:
        enable (bool): Whether to draw at all. Default: True.
        interval (int): Draw every n-th image, beginning with the first.
            Default: 50.
        show (bool): Also open a window for each. Default: False.
        wait_time (float): Seconds that a window stays. Default: 2.
        out_dir (str, optional): In tests, write <image name>.jpg into this
            folder and not to the visualizer. Default: None.
        kernel_size (int): Window of the Gaussians by which the ground truth
            is drawn, in pixels. Default: 15.
        sigma (float): Their standard deviation in pixels. Default: 4.

    Raises:
        ValueError: If ``interval`` is not positive.
    """

    def __init__(self,
                 *args: Any,
                 kernel_size: int = 15,
                 sigma: float = 4.,
                 **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.gaussian = dict(kernel_size=kernel_size, sigma=sigma)

    def after_val_iter(self,
                       runner: Runner,
                       batch_idx: int,
                       data_batch: Optional[dict] = None,
                       outputs: Optional[Sequence[CountingDataSample]] = None
                       ) -> None:
        """Draw images of validation."""
        first = batch_idx * (runner.val_dataloader.batch_size or 1)
        self._draw_all(runner, first, data_batch, outputs, 'val')

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence[CountingDataSample]] = None
                        ) -> None:
        """Draw images of a test."""
        first = batch_idx * (runner.test_dataloader.batch_size or 1)
        self._draw_all(runner, first, data_batch, outputs, 'test')

    def _draw_all(self, runner: Runner, first: int, data_batch: dict,
                  outputs: Sequence[CountingDataSample], split: str) -> None:
        """Those images of a batch that are due."""
        for index, sample in enumerate(outputs, start=first):
            if self.is_due(index):
                picture = self.draw(data_batch['inputs'][index - first],
                                    sample)
                name = self.name_of(sample.get('img_path'), index)
                self.emit(runner, name, picture, split)

    def draw(self, image, sample: CountingDataSample) -> np.ndarray:
        """The picture of one image.

        Args:
            image (Tensor): (3, H, W) uint8 BGR, as PackCrowdInputs gives it.
            sample (CountingDataSample): With prediction, and with annotation
                if there is one.

        Returns:
            ndarray: uint8 RGB.

        Raises:
            TypeError: If the image is not uint8.
        """
        image = image.permute(1, 2, 0).cpu().numpy()[..., ::-1]
        if image.dtype != np.uint8:
            raise TypeError('CountingVisualizationHook draws uint8 images, as '
                            'PackCrowdInputs gives them, but got '
                            f'{image.dtype}: leave normalisation to the '
                            'data preprocessor')
        maps = {}
        if 'gt_points' in sample:
            points = sample.gt_points.cpu().numpy()
            count = sample.get('gt_count', len(points))
            maps[f'ground truth: {count}'] = density_map(
                points, image.shape[:2], **self.gaussian)
        maps[f'prediction: {sample.pred_count:.1f}'] = \
            sample.pred_density[0].cpu().numpy()
        return draw_densities(np.ascontiguousarray(image), maps)

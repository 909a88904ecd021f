"""Pictures of counted images while a network trains."""
import os.path as osp
from typing import Optional, Sequence, Tuple

import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmacda.structures import CountingDataSample
from ..datasets.transforms import density_map
from .density import draw_densities, save_picture


@HOOKS.register_module()
class CountingVisualizationHook(Hook):
    """Writes input, ground truth and prediction side by side.

    The layout of the paper's Figure 8, with both counts; the ground truth's
    map sets the scale of colours. The pictures go to every backend of the
    runner's visualizer, TensorBoard's included.

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
                 enable: bool = True,
                 interval: int = 50,
                 show: bool = False,
                 wait_time: float = 2.,
                 out_dir: Optional[str] = None,
                 kernel_size: int = 15,
                 sigma: float = 4.):
        if interval < 1:
            raise ValueError(
                f'interval must be at least 1, but got {interval}')
        self.enable = enable
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir
        self.gaussian = dict(kernel_size=kernel_size, sigma=sigma)

    def after_val_iter(self,
                       runner: Runner,
                       batch_idx: int,
                       data_batch: Optional[dict] = None,
                       outputs: Optional[Sequence[CountingDataSample]] = None
                       ) -> None:
        """Draw images of validation."""
        first = batch_idx * (runner.val_dataloader.batch_size or 1)
        for name, picture in self._draw(first, data_batch, outputs):
            self._show(runner, name, picture)
            runner.visualizer.add_image(f'val_{name}', picture, runner.iter)

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence[CountingDataSample]] = None
                        ) -> None:
        """Draw images of a test."""
        first = batch_idx * (runner.test_dataloader.batch_size or 1)
        for name, picture in self._draw(first, data_batch, outputs):
            self._show(runner, name, picture)
            if self.out_dir is not None:
                save_picture(picture, osp.join(self.out_dir, f'{name}.jpg'))
            else:
                runner.visualizer.add_image(f'test_{name}', picture,
                                            runner.iter)

    def _draw(self, first: int, data_batch: dict,
              outputs: Sequence[CountingDataSample]):
        """Names and pictures of those images of a batch that are due."""
        if not self.enable:
            return
        for index, sample in enumerate(outputs, start=first):
            if index % self.interval == 0:
                image = data_batch['inputs'][index - first]
                yield _name(sample, index), self.draw(image, sample)

    def draw(self, image, sample: CountingDataSample) -> np.ndarray:
        """The picture of one image.

        Args:
            image (Tensor): (3, H, W) uint8 BGR, as PackCrowdInputs gives it.
            sample (CountingDataSample): With annotation and prediction.

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
        truth = density_map(sample.gt_points.cpu().numpy(), image.shape[:2],
                            **self.gaussian)
        maps = {
            f'ground truth: {sample.gt_count}': truth,
            f'prediction: {sample.pred_count:.1f}':
            sample.pred_density[0].cpu().numpy()
        }
        return draw_densities(np.ascontiguousarray(image), maps)

    def _show(self, runner: Runner, name: str, picture: np.ndarray) -> None:
        if self.show:
            runner.visualizer.show(
                picture, win_name=name, wait_time=self.wait_time)


def _name(sample: CountingDataSample, index: int) -> str:
    path: Tuple[str, ...] = osp.splitext(
        osp.basename(sample.get('img_path') or ''))
    return path[0] or f'image_{index}'

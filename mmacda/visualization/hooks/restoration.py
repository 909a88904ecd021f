"""Pictures of restored images in a test."""
from typing import Any, Optional, Sequence

import numpy as np
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from ..density import side_by_side
from .pictures import PictureHook

# Of mmagic's data samples, in the order of the picture.
PARTS = dict(input='input', pred_img='restored', gt_img='ground truth')


@HOOKS.register_module()
class RestorationVisualizationHook(PictureHook):
    """Writes input, restored picture and ground truth side by side.

    For tests of mmagic's models, in the pixels of the restored picture; a
    smaller input is enlarged by repeating its pixels. Unlike mmagic's
    ``BasicVisualizationHook`` it leaves the training set alone, which a test
    does not need.

    Args:
        enable (bool): Whether to draw at all. Default: True.
        interval (int): Draw every n-th image, beginning with the first.
            Default: 1.
        show (bool): Also open a window for each. Default: False.
        wait_time (float): Seconds that a window stays. Default: 2.
        out_dir (str, optional): Write <image name>.png into this folder and
            not to the visualizer. Default: None.

    Raises:
        ValueError: If ``interval`` is not positive.
    """

    ending = '.png'

    def __init__(self,
                 enable: bool = True,
                 interval: int = 1,
                 **kwargs: Any):
        super().__init__(enable, interval, **kwargs)

    def before_test_epoch(self, runner: Runner) -> None:
        super().before_test_epoch(runner)
        self._count = 0

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: Optional[dict] = None,
                        outputs: Optional[Sequence[BaseDataElement]] = None
                        ) -> None:
        """Draw images of a test."""
        for sample in outputs:
            if self.is_due(self._count):
                path = sample.get('gt_path', None) or sample.get('img_path')
                self.emit(runner, self.name_of(path, self._count),
                          self.draw(sample), 'test')
            self._count += 1

    def draw(self, sample: BaseDataElement) -> np.ndarray:
        """The picture of one image.

        Args:
            sample (DataSample): Of mmagic, with ``output.pred_img`` and,
                where there are such, ``input`` and ``gt_img``: (C, H, W) in
                0 to 255, BGR, or grey.

        Returns:
            ndarray: uint8 RGB.
        """
        values = dict(pred_img=sample.output.pred_img)
        for key in ('input', 'gt_img'):
            if key in sample:
                values[key] = getattr(sample, key)
        return side_by_side({
            title: _to_rgb(values[key])
            for key, title in PARTS.items() if key in values
        }, like='restored')


def _to_rgb(image) -> np.ndarray:
    image = image.detach().cpu().float().clamp(0, 255).round()
    array = image.permute(1, 2, 0).numpy().astype(np.uint8)
    return array.repeat(3, 2) if array.shape[2] == 1 else array[..., ::-1]

"""What the hooks have in common that draw a model's results."""
import os.path as osp
from typing import Optional, Set

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..density import save_picture


class PictureHook(Hook):
    """Sends pictures of results to files, a window or the visualizer.

    It counts the training's iterations itself: in a test, ``runner.iter``
    would build the training set, which need not be on the disk.

    Args:
        enable (bool): Whether to draw at all. Default: True.
        interval (int): Draw every n-th image, beginning with the first.
            Default: 50.
        show (bool): Also open a window for each. Default: False.
        wait_time (float): Seconds that a window stays. Default: 2.
        out_dir (str, optional): In tests, write <image name><ending> into
            this folder and not to the visualizer. Default: None.

    Raises:
        ValueError: If ``interval`` is not positive.
    """

    ending = '.jpg'

    def __init__(self,
                 enable: bool = True,
                 interval: int = 50,
                 show: bool = False,
                 wait_time: float = 2.,
                 out_dir: Optional[str] = None):
        if interval < 1:
            raise ValueError(
                f'interval must be at least 1, but got {interval}')
        self.enable = enable
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir
        self._step = 0
        self._names: Set[str] = set()

    def before_train(self, runner: Runner) -> None:
        self._step = runner.iter

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch=None,
                         outputs=None) -> None:
        self._step = runner.iter + 1

    def before_val_epoch(self, runner: Runner) -> None:
        self._names.clear()

    def before_test_epoch(self, runner: Runner) -> None:
        self._names.clear()

    def is_due(self, index: int) -> bool:
        """Whether the image of that number in its dataset is drawn."""
        return self.enable and index % self.interval == 0

    def name_of(self, path: Optional[str], index: int) -> str:
        """The name of an image's picture, a different one for each image."""
        name = osp.splitext(osp.basename(path or ''))[0] or f'image_{index}'
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f'{name}_{number}'
        self._names.add(free)
        return free

    def emit(self, runner: Runner, name: str, picture: np.ndarray,
             split: str) -> None:
        """Show or write one picture.

        Args:
            runner (Runner): Whose visualizer is used.
            name (str): Of the picture, see :meth:`name_of`.
            picture (ndarray): uint8 RGB.
            split (str): 'val' or 'test'.
        """
        if self.show:
            runner.visualizer.show(
                picture, win_name=name, wait_time=self.wait_time)
        if split == 'test' and self.out_dir is not None:
            save_picture(picture,
                         osp.join(self.out_dir, f'{name}{self.ending}'))
        else:
            runner.visualizer.add_image(f'{split}_{name}', picture,
                                        self._step)

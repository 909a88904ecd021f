"""A single convolution as a detector: the toy model of Section 3.3."""
from typing import Optional, Union

from mmcv.cnn import build_conv_layer
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from ..registry_types import plain_init_cfg


@MODELS.register_module()
class PatternDetector(BaseModel):
    """One convolutional layer that maps an image to a detection map.

    Args:
        conv_cfg (dict): Config of the layer, such as
            ``dict(type='ACDAConv')`` or ``dict(type='Conv2d')``.
        kernel_size (int): Odd kernel size. Default: 7.
        target_scale (float): The layer is trained on the target times this
            factor, and its map is divided by it. A target with few ones would
            let gradients vanish otherwise. Default: 30.
        **kwargs: Arguments of :class:`mmengine.model.BaseModel`.

    Raises:
        ValueError: If the kernel size is no odd integer.
    """

    def __init__(self,
                 conv_cfg: dict,
                 kernel_size: int = 7,
                 target_scale: float = 30.,
                 **kwargs):
        super().__init__(
            init_cfg=plain_init_cfg(kwargs.pop('init_cfg', None)), **kwargs)
        if not isinstance(kernel_size, int) or kernel_size % 2 == 0:
            raise ValueError('kernel_size must be an odd integer, but got '
                             f'{kernel_size!r}')
        self.layer = build_conv_layer(
            conv_cfg, 1, 1, kernel_size, padding=kernel_size // 2)
        self.target_scale = target_scale

    def forward(self,
                inputs: Tensor,
                target: Optional[Tensor] = None,
                mode: str = 'tensor') -> Union[Tensor, dict]:
        """Detection map, or the mean squared error in mode 'loss'.

        Args:
            inputs (Tensor): Image, shape (B, 1, H, W).
            target (Tensor, optional): Same shape, 1 at centres, else 0.
            mode (str): 'loss' for training; anything else gives the map.
        """
        scaled = self.layer(inputs)
        if mode == 'loss':
            error = scaled - self.target_scale * target
            return dict(loss=error.square().mean())
        return scaled / self.target_scale

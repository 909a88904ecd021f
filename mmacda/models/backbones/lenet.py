"""LeNet with adaptive convolutions (paper, Table 1)."""
from typing import Optional, Tuple

import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ...ops.tracing import hides_sizes
from ...registry_types import plain_init_cfg
from ..acda_cfg import resolve_acda_cfg


@MODELS.register_module()
class ACDALeNet(BaseModule):
    """LeNet whose two convolutions are adaptive.

    conv 5x5 (6) - ReLU - max-pool - conv 5x5 (16) - ReLU - max-pool - linear
    120 - ReLU - linear 84 - ReLU; a classification head adds the last linear
    layer. The form of the LeNet that the paper's Table 1 compares with.

    Args:
        in_channels (int): Channels of the image. Default: 3.
        input_size (int): Side of the square image in pixels, at least 16.
            Default: 32.
        conv_type (str): 'acda', or 'conv' for the plain LeNet.
            Default: 'acda'.
        acda_cfg (dict, optional): Options of
            :class:`mmacda.layers.ACDAConv`; another ``type`` puts that layer
            in its place. Default: None.
        widths (Tuple[int, int]): Output channels of the two convolutions; a
            wider plain LeNet costs as much as an adaptive one.
            Default: (6, 16), LeNet's.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        ValueError: If ``conv_type``, ``input_size`` or ``widths`` is not
            supported.
    """

    def __init__(self,
                 in_channels: int = 3,
                 input_size: int = 32,
                 conv_type: str = 'acda',
                 acda_cfg: Optional[dict] = None,
                 init_cfg: Optional[dict] = None,
                 widths: Tuple[int, int] = (6, 16)):
        super().__init__(plain_init_cfg(init_cfg))
        if conv_type not in ('acda', 'conv'):
            raise ValueError(
                f"conv_type must be 'acda' or 'conv', but got {conv_type!r}")
        if not isinstance(input_size, int) or input_size < 16:
            raise ValueError('input_size must be an integer of at least 16 '
                             f'pixels, but got {input_size!r}')
        if len(widths) != 2 or not all(
                isinstance(width, int) and width > 0 for width in widths):
            raise ValueError('widths must be two positive integers, but got '
                             f'{widths!r}')
        self.input_size = input_size
        conv_cfg = dict(type='Conv2d') if conv_type == 'conv' \
            else resolve_acda_cfg(acda_cfg, scales=None)
        self.conv1 = build_conv_layer(conv_cfg, in_channels, widths[0], 5)
        self.conv2 = build_conv_layer(conv_cfg, *widths, 5)
        side = ((input_size - 4) // 2 - 4) // 2
        self.fc1 = nn.Linear(widths[1] * side * side, 120)
        self.fc2 = nn.Linear(120, 84)

    def forward(self, x: Tensor) -> Tuple[Tensor]:
        """Features (B, 84) of images (B, in_channels, side, side).

        Raises:
            ValueError: If the images are of another size than
                ``input_size``.
        """
        size = (self.input_size, ) * 2
        if not hides_sizes(x) and tuple(x.shape[2:]) != size:
            raise ValueError(
                f'input must have shape (B, C, {self.input_size}, '
                f'{self.input_size}) as by input_size, but got '
                f'{tuple(x.shape)}')
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return (F.relu(self.fc2(x)), )

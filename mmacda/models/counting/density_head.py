"""The decoder of a density map: transposed convolutions."""
from typing import Optional, Sequence, Union

import torch.nn as nn
from mmcv.cnn import ConvModule, build_activation_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ...registry_types import plain_init_cfg


@MODELS.register_module()
class DensityHead(BaseModule):
    """Recovers resolution and gives one channel (paper, Sections 4.2, A.4).

    Transposed convolutions, each with a norm and an activation, and a 1x1
    convolution to the density. The paper does not give their number or
    widths; the default has about the 1.5M parameters on Ad-ResNet-s that its
    Table 3 leaves for them.

    Args:
        in_channels (int): Channels of the feature map.
        channels (Sequence[int]): Output channels of the transposed
            convolutions. Default: (256, 128, 64).
        strides (Sequence[int]): By how much each of them enlarges the map.
            Their product over the backbone's stride gives the stride of the
            density map. Default: (2, 2, 2).
        kernel_size (int): Of the transposed convolutions, not below any
            stride; one that is odd needs strides of 1 or more, one that is
            even of 2 or more. Default: 3.
        in_index (int): Which of the backbone's feature maps to decode.
            Default: -1, the last.
        norm_cfg (dict, optional): Default: dict(type='BN').
        act_cfg (dict): Of the transposed convolutions.
            Default: dict(type='ReLU').
        out_act_cfg (dict, optional): What keeps the density from being
            negative: dict(type='ReLU'), or dict(type='torch.nn.Softplus'),
            which is smooth but leaves some density everywhere; None lets
            noise around zero cancel out in the sum.
            Default: dict(type='ReLU').
        out_bias (float): Bias of the density at the start, in people per cell
            times the density factor. A positive one lets every cell pass its
            gradient through a ReLU from the first step on. Default: 0.1.
        init_cfg (dict | list[dict], optional): Initialization config.
            Default: None, a density close to ``out_bias`` everywhere.

    Raises:
        ValueError: If ``channels`` and ``strides`` differ in length or are
            empty, or the kernel does not suit a stride.
    """

    def __init__(self,
                 in_channels: int,
                 channels: Sequence[int] = (256, 128, 64),
                 strides: Sequence[int] = (2, 2, 2),
                 kernel_size: int = 3,
                 in_index: int = -1,
                 norm_cfg: Optional[dict] = dict(type='BN'),
                 act_cfg: dict = dict(type='ReLU'),
                 out_act_cfg: Optional[dict] = dict(type='ReLU'),
                 out_bias: float = 0.1,
                 init_cfg: Union[dict, list, None] = None):
        if init_cfg is None:
            init_cfg = dict(
                type='Normal',
                std=0.001,
                bias=out_bias,
                override=dict(name='out_conv'))
        super().__init__(plain_init_cfg(init_cfg))
        if len(channels) != len(strides) or not channels:
            raise ValueError('channels and strides must have one entry per '
                             f'transposed convolution, but got {channels} '
                             f'and {strides}')
        self.in_index = in_index
        layers = []
        for width, stride in zip(channels, strides):
            layers.append(
                _upsample(in_channels, width, stride, kernel_size, norm_cfg,
                          act_cfg))
            in_channels = width
        self.layers = nn.Sequential(*layers)
        self.out_conv = nn.Conv2d(in_channels, 1, 1)
        self.out_act = (
            nn.Identity()
            if out_act_cfg is None else build_activation_layer(out_act_cfg))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Density of shape (B, 1, h, w) from the backbone's feature maps."""
        x = self.layers(features[self.in_index])
        return self.out_act(self.out_conv(x))


def _upsample(in_channels: int, out_channels: int, stride: int,
              kernel_size: int, norm_cfg: Optional[dict],
              act_cfg: dict) -> ConvModule:
    """A transposed convolution whose output is ``stride`` times larger."""
    padding = max(0, (kernel_size - stride + 1) // 2)
    output_padding = stride + 2 * padding - kernel_size
    if stride < 1 or kernel_size < stride or output_padding >= stride:
        raise ValueError(f'kernel_size {kernel_size} cannot enlarge a map by '
                         f'exactly {stride}: take an odd kernel for stride '
                         '1, and one not below the stride')
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        conv_cfg=dict(type='deconv', output_padding=output_padding),
        norm_cfg=norm_cfg,
        act_cfg=act_cfg)

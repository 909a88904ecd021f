"""The two networks of VDNet, the peer of ACDA + VDNet (paper, Section 4.3)."""
from typing import Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ...registry_types import plain_init_cfg

INIT_CFG = dict(
    type='Kaiming',
    layer='Conv2d',
    mode='fan_in',
    nonlinearity='relu',
    distribution='normal')


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _activation() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


@MODELS.register_module()
class VDNUNet(BaseModule):
    """VDNet's D-Net: a U-Net without normalization.

    Args:
        in_channels (int): Channels of the image, C. Default: 3.
        out_channels (int, optional): Default: None, 2C: the noise and the
            logarithm of the clean image's variance.
        base_channels (int): Width of the first level; each level doubles it.
            Default: 64.
        depth (int): Number of levels. Default: 4.
        init_cfg (dict | list[dict], optional): Default: Kaiming-normal
            convolutions, as in the original.
    """

    def __init__(self,
                 in_channels: int = 3,
                 out_channels: Optional[int] = None,
                 base_channels: int = 64,
                 depth: int = 4,
                 init_cfg: dict = INIT_CFG):
        super().__init__(plain_init_cfg(init_cfg))
        if out_channels is None:
            out_channels = 2 * in_channels
        widths = [base_channels * 2**level for level in range(depth)]
        self.divisor = 2**(depth - 1)
        self.encoders = nn.ModuleList(
            self._level(before, width)
            for before, width in zip([in_channels, *widths], widths))
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            for width in widths[-2::-1])
        self.decoders = nn.ModuleList(
            self._level(2 * width, width) for width in widths[-2::-1])
        self.last = _conv(base_channels, out_channels)

    @staticmethod
    def _level(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            _conv(in_channels, out_channels), _activation(),
            _conv(out_channels, out_channels), _activation())

    def forward(self, x: Tensor) -> Tensor:
        """Map images of any size.

        Args:
            x (Tensor): Shape (B, in_channels, H, W), range [0, 1].

        Returns:
            Tensor: Shape (B, out_channels, H, W).
        """
        height, width = x.shape[2:]
        x = F.pad(
            x, (0, -width % self.divisor, 0, -height % self.divisor),
            mode='replicate')
        skips = []
        for encoder in self.encoders:
            if skips:
                x = F.avg_pool2d(x, 2)
            x = encoder(x)
            skips.append(x)
        skips.pop()
        for upsampler, decoder in zip(self.upsamplers, self.decoders):
            x = decoder(torch.cat((upsampler(x), skips.pop()), dim=1))
        return self.last(x)[..., :height, :width]


@MODELS.register_module()
class VDNNoiseNet(BaseModule):
    """VDNet's S-Net: the posterior of the noise variance, for training only.

    Args:
        in_channels (int): Channels of the image, C. Default: 3.
        mid_channels (int): Width. Default: 64.
        num_convs (int): Number of 3x3 convolutions, at least 2. Default: 5.
        init_cfg (dict | list[dict], optional): Default: Kaiming-normal
            convolutions, as in the original.
    """

    def __init__(self,
                 in_channels: int = 3,
                 mid_channels: int = 64,
                 num_convs: int = 5,
                 init_cfg: dict = INIT_CFG):
        super().__init__(plain_init_cfg(init_cfg))
        if num_convs < 2:
            raise ValueError(f'num_convs must be at least 2, but got '
                             f'{num_convs}')
        layers = [_conv(in_channels, mid_channels), _activation()]
        for _ in range(num_convs - 2):
            layers += [_conv(mid_channels, mid_channels), _activation()]
        self.layers = nn.Sequential(*layers,
                                    _conv(mid_channels, 2 * in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Logarithms of the inverse gamma's shape and scale.

        Args:
            x (Tensor): Noisy images, shape (B, C, H, W), range [0, 1].

        Returns:
            Tensor: Shape (B, 2C, H, W).
        """
        return self.layers(x)

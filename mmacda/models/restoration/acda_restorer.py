"""Image restoration with dynamic bottlenecks (paper, Section 4.3)."""
from typing import Any, Optional

import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule, kaiming_init
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from ...layers.arguments import check_counts
from ...registry_types import plain_init_cfg
from ..acda_cfg import resolve_acda_cfg
from ..backbones.ad_resnet import CONV_TYPES
from ..backbones.ad_resnet_blocks import DynamicBottleneck

# Reduction by either convolution before the bottlenecks, and enlargement by
# either one after them. The bottlenecks always see a quarter of the output's
# size (a third at x3), as in the same-size form.
FACTORS = {
    1: ((2, 2), (2, 2)),
    2: ((1, 2), (2, 2)),
    3: ((1, 1), (1, 3)),
    4: ((1, 1), (2, 2)),
}
# Of the last convolution of each bottleneck, and of the network's: larger
# outputs than what is to be restored kill ReLUs in the first steps.
RESIDUAL_INIT_SCALE, OUTPUT_INIT_SCALE = 0.1, 0.01


@MODELS.register_module()
class ACDARestorer(BaseModule):
    """The paper's network for real-world super-resolution and denoising.

    Two convolutions, each followed by a pixel-unshuffle; dynamic bottlenecks;
    two convolutions, each followed by a pixel-shuffle; and the image itself
    added to the result. A generator for mmagic's ``BaseEditModel``.

    The paper gives neither widths nor the number of blocks: 16 blocks with
    adaptive layers of 64 channels are those of LP-KPN, from which its network
    is derived. No norms but those of the atom generators.

    Args:
        in_channels (int): Channels of the input. Default: 3.
        out_channels (int): Channels of the output. Only with as many as
            ``in_channels`` is the input added to the output. Default: 3.
        mid_channels (int): Width of the adaptive layers, even; the features
            between the bottlenecks have twice as many. Default: 64.
        num_blocks (int): Number of bottlenecks. Default: 16.
        conv_type (str): 'acda'; or 'conv' for the paper's baseline, with 3x3
            convolutions in place of ACDA. Default: 'acda'.
        upscale (int): 1 to keep the image's size, as on RealSR V1 and V2 and
            in denoising; or 2, 3 or 4 to enlarge it, as on RealSR V3 and in
            classical super-resolution. Default: 1.
        acda_cfg (dict, optional): Options of the adaptive layers, such as
            ``dict(num_atoms=9)``. Unless they say otherwise, the scales are
            3, 5 and 7 and the atom generator is the light one, with which
            ACDA has fewer parameters than its baseline;
            ``dict(atom_generator=dict(kernel_size=3))`` gives that of the
            authors' release, with which it has more. Default: None.
        act_cfg (dict): Default: dict(type='ReLU', inplace=True).
        with_cp (bool): Recompute the bottlenecks in backward to save memory;
            the generators' batch norms then see every batch twice.
            Default: False.
        init_cfg (dict | list[dict], optional): Initialization config.
            Default: None, Kaiming-normal convolutions, the last one of each
            bottleneck scaled by 0.1, that of the network by 0.01.

    Raises:
        ValueError: If an argument is not supported.

    Example:
        >>> import torch
        >>> from mmacda.models import ACDARestorer
        >>> restorer = ACDARestorer(num_blocks=2).eval()
        >>> tuple(restorer(torch.rand(1, 3, 33, 50)).shape)
        (1, 3, 33, 50)
    """

    def __init__(self,
                 in_channels: int = 3,
                 out_channels: int = 3,
                 mid_channels: int = 64,
                 num_blocks: int = 16,
                 conv_type: str = 'acda',
                 upscale: int = 1,
                 acda_cfg: Optional[dict] = None,
                 act_cfg: dict = dict(type='ReLU', inplace=True),
                 with_cp: bool = False,
                 init_cfg: Any = None):
        super().__init__(plain_init_cfg(init_cfg))
        check_counts(
            in_channels=in_channels,
            out_channels=out_channels,
            mid_channels=mid_channels,
            num_blocks=num_blocks)
        if mid_channels % 2:
            raise ValueError(
                f'mid_channels must be even, but got {mid_channels}')
        if conv_type not in CONV_TYPES:
            raise ValueError(f'conv_type must be one of {CONV_TYPES}, but got '
                             f'{conv_type!r}')
        if upscale not in FACTORS:
            raise ValueError(f'upscale must be one of {tuple(FACTORS)}, but '
                             f'got {upscale!r}')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.upscale = upscale
        self.num_blocks = num_blocks
        down, up = FACTORS[upscale]
        self.divisor = down[0] * down[1]
        width = 2 * mid_channels
        self.act = MODELS.build(act_cfg)
        self.down_conv1 = _conv(in_channels, width // down[0]**2)
        self.down_conv2 = _conv(width, width // down[1]**2)
        self.unshuffle1, self.unshuffle2 = map(nn.PixelUnshuffle, down)
        options = dict(
            acda_cfg=resolve_acda_cfg(acda_cfg, form='light')
            if conv_type == 'acda' else None,
            norm_cfg=None,
            act_cfg=act_cfg,
            act_after_sum=False,
            with_cp=with_cp)
        self.bottlenecks = nn.Sequential(*(
            DynamicBottleneck(width, width, **options)
            for _ in range(num_blocks)))
        narrow = width // 4
        self.up_conv1 = _conv(width, narrow * up[0]**2)
        self.up_conv2 = _conv(narrow, out_channels * up[1]**2)
        self.shuffle1, self.shuffle2 = map(nn.PixelShuffle, up)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start near the identity (bicubic interpolation if ``upscale``)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                kaiming_init(module, mode='fan_in')
        for block in self.bottlenecks:
            block.conv3.weight.data.mul_(RESIDUAL_INIT_SCALE)
        self.up_conv2.weight.data.mul_(OUTPUT_INIT_SCALE)

    @property
    def receptive_radius(self) -> int:
        """Pixels of the input, in each direction, that an output sees.

        With convolutions whose kernels depend on no more than their support
        and the generator's, such as ACDA and plain ones.
        """
        (first, _), (enlargement, _) = FACTORS[self.upscale]
        body = sum(_radius(block.conv2) for block in self.bottlenecks)
        last = -(-self.divisor // enlargement)
        # Both cubic interpolation and the position in a cell add to it.
        return (1 + first + self.divisor * (body + 1) + last +
                max(self.divisor - 1, 2 * (self.upscale > 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Restore images of any size.

        Args:
            x (Tensor): Degraded images of shape (B, in_channels, H, W), of
                any range; configs of this repository use [-0.5, 0.5].

        Returns:
            Tensor: Shape (B, out_channels, upscale * H, upscale * W).
        """
        height, width = x.shape[2:]
        extra_h, extra_w = (-height) % self.divisor, (-width) % self.divisor
        # Also by nothing: a branch on the size would hold exported and
        # compiled networks to sizes of one kind.
        features = F.pad(x, (0, extra_w, 0, extra_h), mode='replicate')
        features = self.unshuffle1(self.act(self.down_conv1(features)))
        features = self.unshuffle2(self.act(self.down_conv2(features)))
        features = self.bottlenecks(features)
        features = self.shuffle1(self.act(self.up_conv1(features)))
        result = self.shuffle2(self.up_conv2(features))
        # A slice's size would be unknown to torch.export.
        result = result.narrow(2, 0, height * self.upscale).narrow(
            3, 0, width * self.upscale)
        if self.in_channels != self.out_channels:
            return result
        if self.upscale > 1:
            x = F.interpolate(
                x,
                scale_factor=self.upscale,
                mode='bicubic',
                align_corners=False)
        return result + x


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _radius(conv: nn.Module) -> int:
    radius = getattr(conv, 'support', conv.kernel_size[0]) // 2
    generator = getattr(conv, 'atom_generator', None)
    if generator is None:
        return radius
    return max(
        radius,
        sum(m.kernel_size[0] // 2 for m in generator.modules()
            if isinstance(m, _ConvNd)))

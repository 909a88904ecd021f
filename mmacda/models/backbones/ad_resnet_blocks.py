"""Blocks of Ad-ResNet, on one residual skeleton."""
from typing import Any, Dict, Optional, Tuple

import torch
import torch.nn as nn
import torch.utils.checkpoint as cp
from mmcv.cnn import (build_activation_layer, build_conv_layer,
                      build_norm_layer)
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from ...registry_types import plain_init_cfg


class ResidualBlock(BaseModule):
    """The shortcut, and the addition to whatever a subclass computes.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Of the block. Default: 1.
        with_cp (bool): Recompute the block in backward. Default: False.
        conv_cfg (dict, optional): Of plain convolutions. Default: None.
        norm_cfg (dict, optional): None uses biases instead.
            Default: dict(type='BN').
        act_cfg (dict): Default: dict(type='ReLU', inplace=True).
        act_after_sum (bool): Whether the sum is activated, as in ResNet.
            Default: True.
        init_cfg (dict, optional): Initialization config. Default: None.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 stride: int = 1,
                 with_cp: bool = False,
                 conv_cfg: Optional[dict] = None,
                 norm_cfg: Optional[dict] = dict(type='BN'),
                 act_cfg: dict = dict(type='ReLU', inplace=True),
                 act_after_sum: bool = True,
                 init_cfg: Optional[dict] = None):
        super().__init__(plain_init_cfg(init_cfg))
        self.with_cp = with_cp
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg
        self.norm_names = []
        self.act = build_activation_layer(act_cfg)
        self.act_after_sum = act_after_sum
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                self._conv(in_channels, out_channels, 1, stride),
                self._norm(out_channels)[1])

    def _conv(self,
              in_channels: int,
              out_channels: int,
              kernel_size: int,
              stride: int = 1,
              dilation: int = 1) -> nn.Module:
        return build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=self.norm_cfg is None)

    def _norm(self, channels: int, postfix='') -> Tuple[str, nn.Module]:
        if self.norm_cfg is None:
            return f'norm{postfix}', nn.Identity()
        return build_norm_layer(self.norm_cfg, channels, postfix)

    def _add_norm(self, channels: int) -> None:
        name, norm = self._norm(channels, len(self.norm_names) + 1)
        self.add_module(name, norm)
        self.norm_names.append(name)

    @property
    def norms(self) -> Tuple[nn.Module, ...]:
        """Norms of the residual branch; the last one precedes the sum."""
        return tuple(getattr(self, name) for name in self.norm_names)

    def _residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self._residual(x) + shortcut
        return self.act(x) if self.act_after_sum else x

    def forward(self, x: Tensor) -> Tensor:
        if self.with_cp and torch.is_grad_enabled():
            return cp.checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions: ResNet-18's block, parameter names included.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Of the first convolution. Default: 1.
        dilation (int): Of the first convolution, as in mmpretrain.
            Default: 1.
        kwargs: Of :class:`ResidualBlock`.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 stride: int = 1,
                 dilation: int = 1,
                 **kwargs: Any):
        super().__init__(in_channels, out_channels, stride, **kwargs)
        self.conv1 = self._conv(in_channels, out_channels, 3, stride, dilation)
        self._add_norm(out_channels)
        self.conv2 = self._conv(out_channels, out_channels, 3)
        self._add_norm(out_channels)

    def _residual(self, x: Tensor) -> Tensor:
        norm1, norm2 = self.norms
        return norm2(self.conv2(self.act(norm1(self.conv1(x)))))


class DynamicBottleneck(ResidualBlock):
    """1x1 squeeze to half the width, ACDA, 1x1 restore (Section A.4).

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output, even.
        stride (int): Of the squeeze. Default: 1.
        acda_cfg (dict, optional): Config of the middle convolution, which
            has a bias where no norm follows. None makes it a plain 3x3
            convolution of ``conv_cfg``. Default: None.
        dilation (int): Of the middle convolution. Default: 1.
        kwargs: Of :class:`ResidualBlock`.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 stride: int = 1,
                 acda_cfg: Optional[dict] = None,
                 dilation: int = 1,
                 **kwargs: Any):
        super().__init__(in_channels, out_channels, stride, **kwargs)
        middle = out_channels // 2
        self.conv1 = self._conv(in_channels, middle, 1, stride)
        self._add_norm(middle)
        if acda_cfg is None:
            self.conv2 = self._conv(middle, middle, 3, dilation=dilation)
        else:
            self.conv2 = build_conv_layer(
                {'bias': self.norm_cfg is None, **acda_cfg},
                middle,
                middle,
                3,
                padding=dilation,
                dilation=dilation)
        self._add_norm(middle)
        self.conv3 = self._conv(middle, out_channels, 1)
        self._add_norm(out_channels)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        self._take_bias(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _take_bias(self, state_dict: Dict[str, Tensor], prefix: str) -> None:
        """Of a checkpoint whose adaptive layers have one before a norm.

        Batch norms subtract it again, so it moves into their mean. Another
        norm's outputs depend on it: the layer then keeps it.
        """
        bias = state_dict.get(f'{prefix}conv2.bias')
        if bias is None or self.conv2.bias is not None:
            return
        norm = self.norms[1]
        mean = f'{prefix}{self.norm_names[1]}.running_mean'
        if not isinstance(norm, (_BatchNorm, _InstanceNorm)):
            weight = self.conv2.weight
            self.conv2.bias = nn.Parameter(
                torch.zeros_like(bias, device=weight.device,
                                 dtype=weight.dtype), weight.requires_grad)
        elif norm.running_mean is None:
            del state_dict[f'{prefix}conv2.bias']
        elif mean in state_dict:
            del state_dict[f'{prefix}conv2.bias']
            state_dict[mean] = state_dict[mean] - bias

    def _residual(self, x: Tensor) -> Tensor:
        norm1, norm2, norm3 = self.norms
        x = self.act(norm1(self.conv1(x)))
        x = self.act(norm2(self.conv2(x)))
        return norm3(self.conv3(x))

"""DY-CNN: one filter per image, mixed by softmax attention."""
from typing import Any, Optional

import torch.nn as nn
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from torch import Tensor

from .arguments import check_counts
from .cond_conv import ExpertConv


@MODELS.register_module()
class DynamicConv(ExpertConv):
    """Dynamic convolution (Chen et al., CVPR 2020).

    a = softmax(FC(ReLU(FC(mean pixel))) / temperature). Needs timm.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        kernel_size (int | Tuple[int, int]): Of any size, even ones and 1
            included.
        stride (int | Tuple[int, int]): Default: 1.
        padding (int | Tuple[int, int] | str): In pixels, 'same' or 'valid'.
            Default: 0.
        dilation (int | Tuple[int, int]): Default: 1.
        groups (int): Default: 1.
        bias (bool): Default: True.
        padding_mode (str): 'zeros', 'reflect', 'replicate' or 'circular'.
            Default: 'zeros'.
        num_kernels (int): K, filters to mix. Default: 4.
        reduction (int): The attention's hidden layer has
            ``in_channels // reduction`` units, at least one. Default: 4.
        temperature (float): Positive; the larger, the more even the mixture.
            Also an attribute, which :class:`DynamicConvTemperatureHook` sets
            while training. Default: 1.0.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If an argument is out of range.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 kernel_size: Any,
                 stride: Any = 1,
                 padding: Any = 0,
                 dilation: Any = 1,
                 groups: int = 1,
                 bias: bool = True,
                 padding_mode: str = 'zeros',
                 num_kernels: int = 4,
                 reduction: int = 4,
                 temperature: float = 1.0,
                 init_cfg: Optional[dict] = None):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            padding_mode,
            init_cfg,
            num_experts=num_kernels,
            bias=bias)
        check_counts(reduction=reduction)
        hidden = max(1, in_channels // reduction)
        self.attention = nn.Sequential(
            nn.Linear(in_channels, hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, num_kernels))
        self.temperature = temperature

    @property
    def temperature(self) -> float:
        """Divides the attention's logits."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f'temperature must be positive, but got {value}')
        self._temperature = float(value)

    def route(self, pooled: Tensor) -> Tensor:
        return (self.attention(pooled) / self.temperature).softmax(dim=1)


@HOOKS.register_module()
class DynamicConvTemperatureHook(Hook):
    """Lowers the temperature of every :class:`DynamicConv` linearly to 1.

    Args:
        start (float): Temperature of the first epoch, at least 1.
            Default: 30.0, as in DY-CNN.
        epochs (int): The temperature is 1 from this 0-based epoch on.
            Default: 10, as in DY-CNN.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, start: float = 30.0, epochs: int = 10):
        if start < 1 or epochs < 1:
            raise ValueError('start and epochs must be at least 1, but got '
                             f'{start} and {epochs}')
        self.start = start
        self.epochs = epochs

    def before_train_epoch(self, runner) -> None:
        """Set the temperature of the epoch."""
        left = max(0.0, 1 - runner.epoch / self.epochs)
        for module in runner.model.modules():
            if isinstance(module, DynamicConv):
                module.temperature = 1 + (self.start - 1) * left

"""CondConv: one filter per image, mixed from experts by sigmoid routing."""
from typing import Any, Optional

import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from ..ops.tracing import hides_sizes
from .arguments import is_count
from .conv2d_like import Conv2dLike
from .leaf import traced_as_leaf


class ExpertConv(Conv2dLike):
    """Mixes whole filters per image: W(x) = sum_e a_e(x) * W_e.

    The filters and the convolution are timm's ``CondConv2d``; a subclass
    gives the weights a_e in :meth:`route`. Biases are mixed likewise.
    """

    def __init__(self, *args: Any, num_experts: int, bias: bool,
                 **kwargs: Any):
        super().__init__(*args, **kwargs)
        try:
            from timm.layers import CondConv2d
        except ImportError as error:
            raise ImportError(f'{type(self).__name__} needs timm: run `pip '
                              'install timm`') from error
        if not is_count(num_experts):
            raise ValueError('the number of experts must be a positive '
                             f'integer, but got {num_experts!r}')
        self.experts = CondConv2d(
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            stride=self.stride,
            padding=self.zero_padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=bias,
            num_experts=num_experts)

    def route(self, pooled: Tensor) -> Tensor:
        """Weights of the experts (B, E) from the mean pixel (B, C)."""
        raise NotImplementedError

    @traced_as_leaf
    def forward(self, x: Tensor) -> Tensor:
        """Convolve every image with a filter of its own.

        Args:
            x (Tensor): Shape (B, in_channels, H, W).

        Returns:
            Tensor: Shape (B, out_channels, Ho, Wo); Ho and Wo follow
            Conv2d's formula.

        Raises:
            TypeError: If x is not a floating point tensor.
            ValueError: If the shape does not fit the layer.
        """
        padded = self.pad(x)
        if not hides_sizes(x) and not len(x):
            raise ValueError('the filters are mixed for every image, but the '
                             'batch is empty')
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.experts(padded, self.route(pooled))


@MODELS.register_module()
class CondConv(ExpertConv):
    """Conditionally parameterised convolution (Yang et al., NeurIPS 2019).

    a = sigmoid(Linear(mean pixel)). Needs timm.

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
        num_experts (int): Filters to mix. Default: 4.
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
                 num_experts: int = 4,
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
            num_experts=num_experts,
            bias=bias)
        self.routing = nn.Linear(in_channels, num_experts)

    def route(self, pooled: Tensor) -> Tensor:
        return self.routing(pooled).sigmoid()

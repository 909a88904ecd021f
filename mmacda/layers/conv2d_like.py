"""What the layers share: Conv2d's arguments."""
from typing import Any, Optional

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ..ops.geometry import ConvGeometry, to_pair
from ..ops.tracing import hides_sizes
from ..registry_types import plain_init_cfg
from .arguments import (check_channels, check_input, check_padded_size,
                        check_padding_mode, resolve_padding)


class Conv2dLike(BaseModule):
    """Conv2d's arguments, checked, as the attributes that mmcv reads.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        kernel_size (int | Tuple[int, int]): In pixels.
        stride (int | Tuple[int, int]): Default: 1.
        padding (int | Tuple[int, int] | str): In pixels, 'same' or 'valid'.
            Default: 0.
        dilation (int | Tuple[int, int]): Default: 1.
        groups (int): Default: 1.
        padding_mode (str): 'zeros', 'reflect', 'replicate' or 'circular'.
            Default: 'zeros'.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        ValueError: If an argument is out of range.
    """

    transposed = False
    output_padding = (0, 0)

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 kernel_size: Any,
                 stride: Any = 1,
                 padding: Any = 0,
                 dilation: Any = 1,
                 groups: int = 1,
                 padding_mode: str = 'zeros',
                 init_cfg: Optional[dict] = None):
        super().__init__(plain_init_cfg(init_cfg))
        check_channels(in_channels, out_channels, groups)
        # NumPy's integers too become plain ones.
        self.in_channels = int(in_channels)
        self.out_channels = int(out_channels)
        self.kernel_size = to_pair(kernel_size, 'kernel_size', 1)
        self.stride = to_pair(stride, 'stride', 1)
        self.dilation = to_pair(dilation, 'dilation', 1)
        self.groups = int(groups)
        self.padding = resolve_padding(padding, self.kernel_size, self.stride,
                                       self.dilation)
        check_padding_mode(padding_mode)
        self.padding_mode = padding_mode

    @property
    def zero_padding(self):
        """The padding that is left to the convolution itself."""
        return self.padding if self.padding_mode == 'zeros' else (0, 0)

    def pad(self, x: Tensor) -> Tensor:
        """Check the input and add the padding that is not of zeros.

        Raises:
            TypeError: If x is not a floating point tensor.
            ValueError: If the shape does not fit the layer.
        """
        if not hides_sizes(x):
            self._check_input(x)
        pad_h, pad_w = self.padding
        if self.padding_mode == 'zeros' or not (pad_h or pad_w):
            return x
        return F.pad(x, (pad_w, pad_w, pad_h, pad_h), mode=self.padding_mode)

    def _check_input(self, x: Tensor) -> None:
        check_input(x, self.in_channels)
        ConvGeometry(self.stride, self.padding, self.dilation,
                     self.groups).output_size(x.shape[2:], self.kernel_size)
        check_padded_size(x.shape[2:], self.padding, self.padding_mode)

    def extra_repr(self) -> str:
        text = (f'{self.in_channels}, {self.out_channels}, '
                f'kernel_size={self.kernel_size}, stride={self.stride}')
        if self.padding != (0, 0):
            text += f', padding={self.padding}'
        if self.dilation != (1, 1):
            text += f', dilation={self.dilation}'
        if self.groups != 1:
            text += f', groups={self.groups}'
        if getattr(self, 'bias', None) is None:
            text += ', bias=False'
        if self.padding_mode != 'zeros':
            text += f', padding_mode={self.padding_mode}'
        return text

"""Dynamic filter networks: a full filter for every pixel."""
import math
from typing import Any, Optional

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from ..ops.geometry import ConvGeometry
from ..ops.tracing import hides_sizes
from .acda_conv import COEFFICIENT_ENERGY
from .arguments import check_kernel_size
from .atom_generator import AtomGenerator
from .conv2d_like import Conv2dLike
from .leaf import traced_as_leaf

MIB, GIB = 2**20, 2**30


def _format_size(size: int) -> str:
    return f'{size / GIB:.1f} GiB' if size >= GIB else f'{size / MIB:.1f} MiB'


@MODELS.register_module()
class DFNConv(Conv2dLike):
    """Dynamic local filtering (Jia et al., NIPS 2016) with full filters.

    A light network predicts all C_out * C/groups * k * k weights of every
    output pixel: the paper's DFN row (Table 7). The filters of a usual layer
    do not fit into memory, so their size is checked before anything is
    allocated.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        kernel_size (int | Tuple[int, int]): Odd and square. Filters of 1 x 1
            are predicted too.
        stride (int | Tuple[int, int]): Default: 1.
        padding (int | Tuple[int, int] | str): In pixels, 'same' or 'valid'.
            Default: 0.
        dilation (int | Tuple[int, int]): Default: 1.
        groups (int): Default: 1.
        bias (bool): Learned, the same everywhere. Default: True.
        padding_mode (str): 'zeros', 'reflect', 'replicate' or 'circular'.
            Default: 'zeros'.
        filter_generator (dict, optional): Options of :class:`AtomGenerator`,
            which predicts the filters: ``hidden_channels``, ``kernel_size``,
            ``norm_cfg``, ``act_cfg``. Default: None, a hidden width of 64
            and kernel sizes (3, 1).
        memory_limit (int): Largest size in bytes that the filters of one call
            may have. Training needs a multiple of it. Default: 4 GiB.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
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
                 filter_generator: Optional[dict] = None,
                 memory_limit: int = 4 * GIB,
                 init_cfg: Optional[dict] = None):
        super().__init__(in_channels, out_channels,
                         check_kernel_size(kernel_size), stride, padding,
                         dilation, groups, padding_mode, init_cfg)
        if not memory_limit > 0:
            raise ValueError('memory_limit must be a positive number of '
                             f'bytes, but got {memory_limit!r}')
        self.memory_limit = memory_limit
        fan_in = in_channels // groups * math.prod(self.kernel_size)
        self.filter_generator = AtomGenerator(
            in_channels,
            out_channels * fan_in,
            target_kernel_size=self.kernel_size[0],
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            padding_mode=padding_mode,
            **{
                'kernel_size': (3, 1),
                **(filter_generator or {})
            })
        # The size that Kaiming initialisation would give (fan-in, ReLU).
        self.filter_scale = math.sqrt(2 / (COEFFICIENT_ENERGY * fan_in))
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_channels))
        else:
            self.register_parameter('bias', None)

    def filter_bytes(self, x: Tensor) -> int:
        """Bytes of the filters that an input (B, C, H, W) needs."""
        geometry = ConvGeometry(self.stride, self.padding, self.dilation,
                                self.groups)
        size = geometry.output_size(x.shape[2:], self.kernel_size[0])
        weights = self.out_channels * self.in_channels // self.groups
        weights *= math.prod(self.kernel_size)
        return x.shape[0] * math.prod(size) * weights * x.element_size()

    @traced_as_leaf
    def forward(self, x: Tensor) -> Tensor:
        """Convolve every pixel with a full filter of its own.

        Args:
            x (Tensor): Shape (B, in_channels, H, W).

        Returns:
            Tensor: Shape (B, out_channels, Ho, Wo); Ho and Wo follow
            Conv2d's formula.

        Raises:
            MemoryError: If the filters would exceed ``memory_limit``.
            TypeError: If x is not a floating point tensor.
            ValueError: If the shape does not fit the layer.
        """
        padded = self.pad(x)
        needed = 0 if hides_sizes(x) else self.filter_bytes(x)
        if needed > self.memory_limit:
            raise MemoryError(
                f'the filters of an input of {tuple(x.shape)} need '
                f'{_format_size(needed)}, and training a multiple of it; '
                f'memory_limit is {_format_size(self.memory_limit)}')
        filters = self.filter_generator(x) * self.filter_scale
        height, width = filters.shape[2], filters.shape[3]
        fan_in = self.in_channels // self.groups * math.prod(self.kernel_size)
        filters = filters.reshape(x.shape[0], self.groups,
                                  self.out_channels // self.groups, fan_in,
                                  height * width)
        patches = F.unfold(padded, self.kernel_size, self.dilation,
                           self.zero_padding, self.stride)
        patches = patches.reshape(x.shape[0], self.groups, fan_in,
                                  height * width)
        output = torch.einsum('bgoil,bgil->bgol', filters, patches)
        output = output.reshape(x.shape[0], self.out_channels, height, width)
        return output if self.bias is None else output + self.bias[:, None,
                                                                   None]

"""The light two-layer network that predicts basis coefficients."""
from typing import Any, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from ..ops.geometry import ConvGeometry, Pair, to_pair
from ..ops.tracing import hides_sizes, is_symbolic
from ..registry_types import plain_init_cfg
from .arguments import (check_counts, check_input, check_kernel_size,
                        check_padded_size, check_padding_mode)
from .generator_forms import tell_form


class GeneratorConv2d(_ConvNd):
    """A Conv2d that bulk initialisers leave alone.

    MMEngine's ``init_cfg`` finds layers by class name and would overwrite
    every ``Conv2d`` of a backbone, generators included.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 kernel_size: int,
                 stride: Pair = (1, 1),
                 padding: Pair = (0, 0),
                 dilation: Pair = (1, 1),
                 bias: bool = True,
                 padding_mode: str = 'zeros'):
        super().__init__(in_channels, out_channels, (kernel_size, ) * 2,
                         stride, padding, dilation, False, (0, 0), 1, bias,
                         padding_mode)  # type: ignore[arg-type]  # a Literal

    def forward(self, x: Tensor) -> Tensor:
        padding: Any = self.padding  # pixels, never 'same'
        if self.padding_mode != 'zeros':
            pad_h, pad_w = padding
            x = F.pad(x, (pad_w, pad_w, pad_h, pad_h), mode=self.padding_mode)
            padding = (0, 0)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding,
                        self.dilation, self.groups)


@MODELS.register_module()
class AtomGenerator(BaseModule):
    """Predicts what the filters of every output pixel look like (Eq. 4).

    conv (in -> hidden, with the stride) - norm - act - conv (hidden -> out) -
    norm - act, the paper's Section A.3. Its output map is aligned with that of
    a convolution of the given stride and padding.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Coefficients per pixel, m * J.
        hidden_channels (int): Width between the two convolutions.
            Default: 64, as in the paper.
        kernel_size (int | Tuple[int, int]): Odd kernel sizes of the first and
            the second convolution. Default: 3, as in the authors' release;
            1 gives the cost that the paper's Table 6 counts.
        target_kernel_size (int): Kernel of the convolution to align with.
            Default: 3.
        stride (int | Tuple[int, int]): Its stride. Default: 1.
        padding (int | Tuple[int, int]): Its padding. Default: 1.
        dilation (int | Tuple[int, int]): Its dilation. Default: 1.
        padding_mode (str): Its padding mode. Default: 'zeros'.
        norm_cfg (dict, optional): Norm after each convolution. None uses a
            bias instead. A model's own ``norm_cfg`` does not reach it: batch
            norms here are legitimate inside a model of GroupNorm. With small
            batches take dict(type='SyncBN') over several GPUs or
            dict(type='GN', num_groups=2); with frozen norms
            (``norm_eval=True``) GN, unless trained statistics are loaded.
            Default: dict(type='BN').
        act_cfg (dict, optional): Activation after each norm.
            Default: dict(type='Tanh').
        bias_spread (float): The biases of the last norm start uniformly in
            [-bias_spread, bias_spread], so that a part of every filter is the
            same at all pixels from the first step on. Default: 0, as in the
            authors' release: filters that average to nothing.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 hidden_channels: int = 64,
                 kernel_size=3,
                 target_kernel_size: int = 3,
                 stride=1,
                 padding=1,
                 dilation=1,
                 padding_mode: str = 'zeros',
                 norm_cfg: Optional[dict] = dict(type='BN'),
                 act_cfg: Optional[dict] = dict(type='Tanh'),
                 bias_spread: float = 0.,
                 init_cfg: Optional[dict] = None):
        super().__init__(plain_init_cfg(init_cfg))
        check_counts(
            in_channels=in_channels,
            out_channels=out_channels,
            hidden_channels=hidden_channels)
        target, _ = check_kernel_size(target_kernel_size,
                                      'target_kernel_size')
        check_padding_mode(padding_mode)
        first, second = to_pair(kernel_size, 'kernel_size', 1)
        if first % 2 == 0 or second % 2 == 0:
            raise ValueError('atom_generator kernel_size must be odd, but got '
                             f'{kernel_size!r}')
        stride = to_pair(stride, 'stride', 1)
        padding = to_pair(padding, 'padding', 0)
        dilation = to_pair(dilation, 'dilation', 1)
        self.target_kernel_size = target
        self._target = ConvGeometry(stride, padding, dilation, 1)
        # Kernel centres coincide with those of the target convolution. The
        # margin is negative where that convolution has less padding.
        margin = [
            p + d * (first - target) // 2
            for p, d in zip(padding, dilation)
        ]
        self.crop = max(0, -margin[0]), max(0, -margin[1])
        self.margin = max(0, margin[0]), max(0, margin[1])
        self.conv1 = GeneratorConv2d(
            in_channels,
            hidden_channels,
            first,
            stride=stride,
            padding=self.margin,
            dilation=dilation,
            bias=norm_cfg is None,
            padding_mode=padding_mode)
        self.padding_mode = padding_mode
        # Reflection needs a map larger than its margin; this one may be 1 x 1.
        self._margin2 = (second // 2, ) * 2
        second_mode = 'replicate' if padding_mode == 'reflect' \
            else padding_mode
        self.conv2 = GeneratorConv2d(
            hidden_channels,
            out_channels,
            second,
            padding=self._margin2,
            bias=norm_cfg is None,
            padding_mode=second_mode)
        self.norm1 = self._norm(norm_cfg, hidden_channels)
        self.norm2 = self._norm(norm_cfg, out_channels)
        self.act1 = self._act(act_cfg)
        self.act2 = self._act(act_cfg)
        if not 0 <= bias_spread < float('inf'):
            raise ValueError('bias_spread must be a number of at least 0, but '
                             f'got {bias_spread!r}')
        self.bias_spread = bias_spread
        if bias_spread and self._last_affine()[1] is None:
            raise ValueError(
                'bias_spread needs a norm with a bias (norm_cfg=dict(..., '
                f'affine=True)), but got {type(self.norm2).__name__}')
        self.spread_bias()

    @staticmethod
    def _norm(cfg: Optional[dict], channels: int) -> nn.Module:
        return build_norm_layer(cfg, channels)[1] if cfg else nn.Identity()

    @staticmethod
    def _act(cfg: Optional[dict]) -> nn.Module:
        return build_activation_layer(cfg) if cfg else nn.Identity()

    def _last_affine(self) -> tuple:
        """Weight and bias that the last activation sees."""
        last = self.conv2 if isinstance(self.norm2, nn.Identity) \
            else self.norm2
        return (getattr(last, 'weight', None), getattr(last, 'bias', None))

    @torch.no_grad()
    def spread_bias(self) -> None:
        """Draw the biases of the last norm anew, see ``bias_spread``."""
        if self.bias_spread:
            bias = self._last_affine()[1]
            bias.uniform_(-self.bias_spread, self.bias_spread)

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` of this and of outer modules say.

        Those reset every norm they find, therefore the biases are drawn again.
        """
        super().init_weights()
        self.spread_bias()

    @torch.no_grad()
    def init_constant(self, coefficients: Tensor) -> None:
        """Start with the same coefficients at every pixel of every image.

        The weight of the last norm (without norms: of the last convolution)
        becomes zero and its bias carries the coefficients. That weight moves
        with the first optimizer step, everything before it from the second.

        Args:
            coefficients (Tensor): Shape (m * J, ), inside the range of the
                activation: (-1, 1) for Tanh.

        Raises:
            ValueError: If the last activation is neither Tanh nor absent, or
                the last norm has no weight.
        """
        if isinstance(self.act2, nn.Tanh):
            coefficients = coefficients.double().atanh()
        elif not isinstance(self.act2, nn.Identity):
            raise ValueError("a constant start needs act_cfg=dict(type='Tanh')"
                             f' or None, but got {type(self.act2).__name__}')
        weight, bias = self._last_affine()
        if weight is None or bias is None:
            raise ValueError(
                'a constant start needs a norm with a weight (norm_cfg=dict('
                f'..., affine=True)), but got {type(self.norm2).__name__}')
        weight.zero_()
        bias.copy_(coefficients)
        self.bias_spread = 0.  # init_weights is to keep these

    def _load_from_state_dict(self, state_dict, prefix, *args):
        super()._load_from_state_dict(state_dict, prefix, *args)
        form, error_msgs = tell_form(self, state_dict, prefix), args[-1]
        if form and form not in error_msgs:
            error_msgs.insert(0, form)  # once for all layers

    def check_input(self, x: Tensor) -> None:
        """Raise TypeError or ValueError if x cannot be an input."""
        check_input(x, self.conv1.in_channels)
        size = x.shape[2:]
        out_size = self._target.output_size(size, self.target_kernel_size)
        check_padded_size(out_size, self._margin2, self.conv2.padding_mode)
        cropped = size[0] - 2 * self.crop[0], size[1] - 2 * self.crop[1]
        check_padded_size(cropped, self.margin, self.padding_mode)

    def output_size(self, x: Tensor) -> Tuple[int, int]:
        """Ho and Wo of an input (B, C, H, W)."""
        return self._target.output_size(x.shape[2:], self.target_kernel_size)

    def check_batch(self, x: Tensor, size: Tuple[int, int]) -> None:
        """Raise ValueError if a norm cannot train on images of this size."""
        if self.training and isinstance(self.norm1, _BatchNorm) \
                and not isinstance(self.norm1, nn.SyncBatchNorm) \
                and self.norm1.training \
                and x.shape[0] * size[0] * size[1] == 1:
            raise ValueError(
                'batch normalization cannot train on a single output pixel '
                '(batch 1, 1 x 1 map): use a larger batch, or '
                "atom_generator=dict(norm_cfg=dict(type='GN', num_groups=2))")

    def forward(self, x: Tensor) -> Tensor:
        """Basis coefficients (B, m * J, Ho, Wo) of an input (B, C, H, W).

        Raises:
            TypeError: If x is not a floating point tensor.
            ValueError: If the shape does not fit.
        """
        return self.act2(self.norm2(self.conv2(self.hidden(x))))

    def hidden(self, x: Tensor) -> Tensor:
        """Hidden maps (B, hidden_channels, Ho, Wo): the first layer."""
        return self.act1(self.norm1(self.first_conv(x)))

    def first_conv(self, x: Tensor) -> Tensor:
        """The first convolution alone, of a checked input."""
        if not hides_sizes(x):
            self.check_input(x)
        crop_h, crop_w = self.crop
        if crop_h or crop_w:
            x = x[:, :, crop_h:x.shape[2] - crop_h, crop_w:x.shape[3] - crop_w]
        x = self.conv1(x)
        if not is_symbolic(x):
            self.check_batch(x, (x.shape[2], x.shape[3]))
        return x

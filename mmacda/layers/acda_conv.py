"""The adaptive convolution layer."""
import math
from typing import Any, Optional, Union

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from ..ops import adaptive_conv2d, available_backends
from ..ops.autocast import cast_inputs
from ..ops.backends import GENERATING
from ..ops.geometry import ConvGeometry
from ..ops.tracing import hides_sizes
from ..registry_types import is_type
from .arguments import (check_counts, check_input, check_kernel_size,
                        check_keys, check_padded_size)
from .atom_generator import AtomGenerator
from .bases import resolve_bases
from .bases_keeper import BasesKeeper
from .conv2d_like import Conv2dLike
from .generator_forms import resolve_generator
from .leaf import traced_as_leaf
from .on_the_fly import convolve, why_plain, why_plain_now
from .untrained import Untouched, warn_of_untrained

GENERATOR_KEYS = ('type', 'hidden_channels', 'kernel_size', 'norm_cfg',
                  'act_cfg', 'init_cfg', 'bias_spread')
# Mean square of the coefficients at the start: E[tanh(n)^2], n ~ N(0, 1).
COEFFICIENT_ENERGY = 0.394


@MODELS.register_module()
class ACDAConv(BasesKeeper, Conv2dLike):
    """Adaptive convolution with per-pixel dynamic filter atoms (ICCV 2021).

    A replacement for ``nn.Conv2d``: its arguments first, with their names and
    order. A kernel size of 1 has no spatial pattern to adapt and gives a plain
    pointwise convolution.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        kernel_size (int | Tuple[int, int]): Odd and square.
        stride (int | Tuple[int, int]): Default: 1.
        padding (int | Tuple[int, int] | str): In pixels, 'same' or 'valid'.
            Default: 0.
        dilation (int | Tuple[int, int]): Default: 1.
        groups (int): Default: 1.
        bias (bool): Default: True.
        padding_mode (str): 'zeros', 'reflect', 'replicate' or 'circular'.
            Default: 'zeros'.
        num_atoms (int): m, filter atoms per pixel. Default: 6.
        num_bases (int): Fourier-Bessel elements per scale. Default: 6.
        scales (Sequence[int], optional): Supports of the bases in pixels. A
            scale above ``kernel_size`` widens the support and the padding, so
            that the output size stays that of ``kernel_size``. Default: None,
            which means 3, 5, ..., kernel_size.
        atom_bases (str | Tensor, optional): 'fourier_bessel'; or bases of
            your own of shape (J, k, k); or None for direct atoms, where the
            generator predicts the k * k taps (Eq. 4).
            Default: 'fourier_bessel'.
        atom_generator (dict | str, optional): 'light' for pointwise
            convolutions, 'medium' for a 3x3 and a pointwise one: coefficients
            are then made on the fly; or options
            of :class:`AtomGenerator`: ``hidden_channels``, ``kernel_size``,
            ``norm_cfg``, ``act_cfg``, ``init_cfg``, and ``type`` for a
            generator of your own. Default: None, 3x3 convolutions as in the
            authors' release.
        backend (str, optional): See :func:`mmacda.ops.adaptive_conv2d`.
            Default: None.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        TypeError: If an argument is unknown.
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
                 num_atoms: int = 6,
                 num_bases: int = 6,
                 scales: Any = None,
                 atom_bases: Any = 'fourier_bessel',
                 atom_generator: Union[dict, str, None] = None,
                 backend: Optional[str] = None,
                 init_cfg: Optional[dict] = None):
        super().__init__(in_channels, out_channels,
                         check_kernel_size(kernel_size), stride, padding,
                         dilation, groups, padding_mode, init_cfg)
        if backend is not None and backend not in available_backends():
            raise ValueError(f'backend={backend!r} is unknown; supported are '
                             f'{available_backends()}')
        self.backend = backend
        self.warned_untrained = False
        self.pointwise = self.kernel_size == (1, 1)
        if self.pointwise:
            self.num_atoms, self.bases, support = 1, None, 1
        else:
            check_counts(num_atoms=num_atoms)
            self.num_atoms = int(num_atoms)
            self.bases, support = resolve_bases(atom_bases, scales, num_bases,
                                                self.kernel_size[0])
        extra = (support - self.kernel_size[0]) // 2
        pad_h, pad_w = (p + d * extra
                        for p, d in zip(self.padding, self.dilation))
        self._pad = (pad_w, pad_w, pad_h, pad_h)
        self.support = support
        self._geometry = ConvGeometry(
            self.stride,
            (pad_h, pad_w) if padding_mode == 'zeros' else (0, 0),
            self.dilation, self.groups)
        self.weight = nn.Parameter(
            torch.empty(self.out_channels,
                        self.in_channels // self.groups * self.num_atoms, 1,
                        1))
        if bias:
            self.bias = nn.Parameter(torch.empty(self.out_channels))
        else:
            self.register_parameter('bias', None)
        self.atom_generator = None if self.pointwise \
            else self._build_generator(atom_generator)
        self.reset_parameters()

    def _build_generator(self, given: Union[dict, str, None]) -> nn.Module:
        options = resolve_generator(given)
        options.setdefault('type', 'AtomGenerator')
        if is_type(options, MODELS, AtomGenerator):
            check_keys('atom_generator', options, GENERATOR_KEYS)
        return MODELS.build(
            dict(
                in_channels=self.in_channels,
                out_channels=self.num_atoms * self.num_coefficients,
                target_kernel_size=self.kernel_size[0],
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                padding_mode=self.padding_mode,
                **options))

    @property
    def num_coefficients(self) -> int:
        """J, coefficients per atom and pixel."""
        if self.bases is None:
            return self.support**2
        return self.bases.fixed.count

    def reset_parameters(self, filter_energy: float = 2.0) -> None:
        """Normal weights for an effective filter of a given size.

        The atom generator keeps PyTorch's initialisation.

        Args:
            filter_energy (float): Expected squared norm of one output
                channel's filters, whatever the number of atoms and bases.
                Default: 2, that of a Kaiming-initialised Conv2d (fan-in,
                ReLU).
        """
        energy = 1.0
        if not self.pointwise:
            norms = float((self.bases.fixed.values**2).sum()) \
                if self.bases is not None else self.num_coefficients
            energy = COEFFICIENT_ENERGY * norms
        fan_in = self.weight.shape[1] * energy
        nn.init.normal_(self.weight, std=math.sqrt(filter_energy / fan_in))
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.untouched = Untouched(self.weight)

    def train(self, mode: bool = True) -> 'ACDAConv':
        """Set the mode, and tell of a layer that cannot learn."""
        if mode:
            warn_of_untrained(self)  # as the last round of training left it
        return super().train(mode)

    @traced_as_leaf
    def forward(self, x: Tensor) -> Tensor:
        """Convolve every pixel with filters of its own.

        Args:
            x (Tensor): Shape (B, in_channels, H, W).

        Returns:
            Tensor: Shape (B, out_channels, Ho, Wo); Ho and Wo follow
            Conv2d's formula.

        Raises:
            TypeError: If x is not a floating point tensor.
            ValueError: If the shape does not fit the layer.
        """
        return self._conv_forward(x, self.weight, self.bias)

    def _conv_forward(self, x: Tensor, weight: Tensor,
                      bias: Optional[Tensor]) -> Tensor:
        # As in nn.Conv2d: ConvModule's efficient_conv_bn_eval calls it with
        # weights that have a norm folded in.
        judged = isinstance(self.atom_generator, AtomGenerator)
        if not (judged or hides_sizes(x)):
            self._check_input(x)
        if self.atom_generator is None:
            return F.conv2d(self._margin(x), weight, bias, *self._geometry)
        if self.backend in (None, *GENERATING) and not why_plain_now(
                self.atom_generator, x, weight):
            x, = cast_inputs(x)  # once for all that reads it
            return convolve(self, x, weight, bias)
        alpha = self.atom_generator(x)
        alpha = alpha.reshape(alpha.shape[0], self.num_atoms,
                              self.num_coefficients, alpha.shape[2],
                              alpha.shape[3])
        return adaptive_conv2d(
            self._margin(x),
            alpha,
            self.atom_bases,
            weight,
            bias,
            *self._geometry,
            backend=self.backend)

    def _margin(self, x: Tensor) -> Tensor:
        if self.padding_mode == 'zeros' or not any(self._pad):
            return x
        if not hides_sizes(x):
            check_padded_size(x.shape[2:], (self._pad[2], self._pad[0]),
                              self.padding_mode)
        return F.pad(x, self._pad, mode=self.padding_mode)

    def _check_input(self, x: Tensor) -> None:
        check_input(x, self.in_channels)
        # On every side, whoever adds the padding.
        padding = self._pad[2], self._pad[0]
        geometry = self._geometry._replace(padding=padding)
        geometry.output_size(x.shape[2:], self.support)

    def extra_repr(self) -> str:
        text = super().extra_repr()
        if not self.pointwise:
            text += (f', atoms={self.num_atoms}, '
                     f'coefficients={self.num_coefficients}, '
                     f'support={self.support}, {self._tell_way()}')
        return text

    def _tell_way(self) -> str:
        assert self.atom_generator is not None
        reason = why_plain(self.atom_generator)
        if reason is None and self.backend not in (None, *GENERATING):
            reason = f'backend={self.backend!r}'
        return 'coefficients on the fly' if reason is None else \
            f'coefficients in memory ({reason})'

"""The adaptive convolution layer."""
import inspect
import math
from typing import Any, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from ..ops import adaptive_conv2d, fourier_bessel_bases
from ..ops.fourier_bessel import check_scales
from ..ops.geometry import ConvGeometry, Pair, to_pair

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')
GENERATOR_KEYS = ('type', 'hidden_channels', 'kernel_size', 'norm_cfg',
                  'act_cfg', 'init_cfg')
# Mean square of the coefficients at the start: E[tanh(n)^2], n ~ N(0, 1).
COEFFICIENT_ENERGY = 0.394


@MODELS.register_module()
class ACDAConv(BaseModule):
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
        atom_generator (dict, optional): Options of :class:`AtomGenerator`:
            ``hidden_channels``, ``kernel_size``, ``norm_cfg``, ``act_cfg``,
            ``init_cfg``, and ``type`` for a generator of your own.
            Default: None.
        backend (str, optional): See :func:`mmacda.ops.adaptive_conv2d`.
            Default: None.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        TypeError: If an argument is unknown.
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
                 bias: bool = True,
                 padding_mode: str = 'zeros',
                 num_atoms: int = 6,
                 num_bases: int = 6,
                 scales: Any = None,
                 atom_bases: Any = 'fourier_bessel',
                 atom_generator: Optional[dict] = None,
                 backend: Optional[str] = None,
                 init_cfg: Optional[dict] = None,
                 **unknown: Any):
        super().__init__(init_cfg)
        _check_keys('ACDAConv', unknown, [
            key for key in inspect.signature(ACDAConv.__init__).parameters
            if key not in ('self', 'unknown')
        ])
        _check_channels(in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _check_kernel_size(kernel_size)
        self.stride = to_pair(stride, 'stride', 1)
        self.dilation = to_pair(dilation, 'dilation', 1)
        self.groups = groups
        self.padding = self._resolve_padding(padding)
        if padding_mode not in PADDING_MODES:
            raise ValueError(f'padding_mode must be one of {PADDING_MODES}, '
                             f'but got {padding_mode!r}')
        self.padding_mode = padding_mode
        self.backend = backend
        self.pointwise = self.kernel_size == (1, 1)
        if self.pointwise:
            self.num_atoms, bases, support = 1, None, 1
        else:
            if not isinstance(num_atoms, int) or num_atoms < 1:
                raise ValueError('num_atoms must be a positive integer, but '
                                 f'got {num_atoms!r}')
            self.num_atoms = num_atoms
            bases, support = self._resolve_bases(atom_bases, scales, num_bases)
        self.register_buffer('atom_bases', bases, persistent=False)
        extra = (support - self.kernel_size[0]) // 2
        pad_h, pad_w = (p + d * extra
                        for p, d in zip(self.padding, self.dilation))
        self._pad = (pad_w, pad_w, pad_h, pad_h)
        self.support = support
        self._geometry = ConvGeometry(
            self.stride,
            (pad_h, pad_w) if padding_mode == 'zeros' else (0, 0),
            self.dilation, groups)
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups * self.num_atoms,
                        1, 1))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels))
        else:
            self.register_parameter('bias', None)
        self.atom_generator = None if self.pointwise \
            else self._build_generator(atom_generator)
        self.reset_parameters()

    def _resolve_padding(self, padding: Any) -> Pair:
        if padding == 'valid':
            return (0, 0)
        if padding == 'same':
            if self.stride != (1, 1):
                raise ValueError("padding='same' needs stride=1, but got "
                                 f'stride={self.stride}')
            dil_h, dil_w = self.dilation
            half = self.kernel_size[0] // 2
            return dil_h * half, dil_w * half
        if isinstance(padding, str):
            raise ValueError("padding must be 'same', 'valid' or pixels, but "
                             f'got {padding!r}')
        return to_pair(padding, 'padding', 0)

    def _resolve_bases(self, atom_bases: Any, scales: Any,
                       num_bases: int) -> Tuple[Optional[Tensor], int]:
        """The buffer psi (None for direct atoms) and the support."""
        kernel = self.kernel_size[0]
        if isinstance(atom_bases, str) and atom_bases == 'fourier_bessel':
            scales = check_scales(scales) if scales is not None else tuple(
                range(3, kernel + 1, 2))
            bases = fourier_bessel_bases(scales, num_bases)
        elif scales is not None:
            raise ValueError(f'scales={scales!r} applies to '
                             "atom_bases='fourier_bessel' only")
        elif atom_bases is None:
            return None, kernel
        elif isinstance(atom_bases, str):
            raise ValueError("atom_bases must be 'fourier_bessel', an array "
                             f'of shape (J, k, k) or None, but got '
                             f'{atom_bases!r}')
        else:
            bases = torch.as_tensor(atom_bases, dtype=torch.float64)
            if bases.dim() != 3 or bases.shape[1] != bases.shape[2] \
                    or bases.shape[1] % 2 == 0:
                raise ValueError('atom_bases must have shape (J, k, k) with k '
                                 f'odd, but got {tuple(bases.shape)}')
        support = max(kernel, bases.shape[-1])
        margin = (support - bases.shape[-1]) // 2
        bases = F.pad(bases, (margin, ) * 4)
        return bases.to(torch.get_default_dtype()), support

    def _build_generator(self, options: Optional[dict]) -> nn.Module:
        options = dict(options or {})
        options.setdefault('type', 'AtomGenerator')
        if options['type'] == 'AtomGenerator':
            _check_keys('atom_generator', options, GENERATOR_KEYS)
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
        if self.atom_bases is None:
            return self.support**2
        return self.atom_bases.shape[0]

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
            norms = self.atom_bases.square().sum().item() \
                if self.atom_bases is not None else self.num_coefficients
            energy = COEFFICIENT_ENERGY * norms
        fan_in = self.weight.shape[1] * energy
        nn.init.normal_(self.weight, std=math.sqrt(filter_energy / fan_in))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

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
        if not torch.jit.is_tracing():
            self._check_input(x)
        alpha = None if self.pointwise else self.atom_generator(x)
        if self.padding_mode != 'zeros' and any(self._pad):
            x = F.pad(x, self._pad, mode=self.padding_mode)
        if alpha is None:
            return F.conv2d(x, weight, bias, *self._geometry)
        alpha = alpha.reshape(x.shape[0], self.num_atoms,
                              self.num_coefficients, *alpha.shape[2:])
        return adaptive_conv2d(
            x,
            alpha,
            self.atom_bases,
            weight,
            bias,
            *self._geometry,
            backend=self.backend)

    def _check_input(self, x: Tensor) -> None:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            given = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError('input must be a torch.Tensor with a floating '
                            f'point dtype, but got {given}')
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f'input must have shape (B, {self.in_channels}, '
                             f'H, W), but got {tuple(x.shape)}')
        pad_h, pad_w = self._pad[2], self._pad[0]
        geometry = self._geometry._replace(padding=(pad_h, pad_w))
        geometry.output_size(x.shape[2:], self.support)
        limit = {'reflect': -1, 'circular': 0}.get(self.padding_mode)
        if limit is not None and (pad_h > x.shape[2] + limit
                                  or pad_w > x.shape[3] + limit):
            raise ValueError(
                f'padding_mode={self.padding_mode!r} with {pad_h} x {pad_w} '
                f'pixels of padding needs a larger input than '
                f'{x.shape[2]} x {x.shape[3]} pixels')

    def extra_repr(self) -> str:
        text = (f'{self.in_channels}, {self.out_channels}, '
                f'kernel_size={self.kernel_size}, stride={self.stride}')
        if self.padding != (0, 0):
            text += f', padding={self.padding}'
        if self.dilation != (1, 1):
            text += f', dilation={self.dilation}'
        if self.groups != 1:
            text += f', groups={self.groups}'
        if self.bias is None:
            text += ', bias=False'
        if self.padding_mode != 'zeros':
            text += f', padding_mode={self.padding_mode}'
        if not self.pointwise:
            text += (f', atoms={self.num_atoms}, '
                     f'coefficients={self.num_coefficients}, '
                     f'support={self.support}')
        return text


def _check_keys(name: str, given: dict, supported) -> None:
    unknown = sorted(set(given) - set(supported))
    if unknown:
        raise TypeError(f'{name} got unknown keys {unknown}; supported are '
                        f'{", ".join(supported)}')


def _check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    counts = dict(
        in_channels=in_channels, out_channels=out_channels, groups=groups)
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f'{name} must be a positive integer, but got {value!r}')
    for name, value in counts.items():
        if value % groups:
            raise ValueError(f'{name} ({value}) must be divisible by groups '
                             f'({groups})')


def _check_kernel_size(kernel_size: Any) -> Pair:
    height, width = to_pair(kernel_size, 'kernel_size', 1)
    if height != width or height % 2 == 0:
        raise ValueError('kernel_size must be odd and square (1, 3, 5, ...), '
                         f'but got {kernel_size!r}')
    return height, width

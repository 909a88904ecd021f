"""Checks of the layer's arguments: every error says what is supported."""
from typing import Any, Iterable, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops import fourier_bessel_bases
from ..ops.fourier_bessel import check_scales
from ..ops.geometry import Pair, to_pair

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')


def check_keys(name: str, given: Iterable[str],
               supported: Iterable[str]) -> None:
    """Raise a TypeError if ``given`` holds a key that is not supported."""
    unknown = sorted(set(given) - set(supported))
    if unknown:
        raise TypeError(f'{name} got unknown keys {unknown}; supported are '
                        f'{", ".join(supported)}')


def is_count(value: Any) -> bool:
    """Whether it is a positive integer; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) \
        and value >= 1


def check_counts(**counts: Any) -> None:
    """Raise a ValueError unless all are positive integers."""
    for name, value in counts.items():
        if not is_count(value):
            raise ValueError(
                f'{name} must be a positive integer, but got {value!r}')


def check_channels(in_channels: Any, out_channels: Any, groups: Any) -> None:
    """Raise a ValueError unless both counts are multiples of ``groups``."""
    counts = dict(
        in_channels=in_channels, out_channels=out_channels, groups=groups)
    check_counts(**counts)
    for name, value in counts.items():
        if value % groups:
            raise ValueError(f'{name} ({value}) must be divisible by groups '
                             f'({groups})')


def check_kernel_size(kernel_size: Any, name: str = 'kernel_size') -> Pair:
    """The kernel size as a pair, or a ValueError unless odd and square."""
    height, width = to_pair(kernel_size, name, 1)
    if height != width or height % 2 == 0:
        raise ValueError(f'{name} must be odd and square (1, 3, 5, ...), but '
                         f'got {kernel_size!r}')
    return height, width


def check_padding_mode(padding_mode: Any) -> None:
    """Raise a ValueError unless it is one of Conv2d's."""
    if not isinstance(padding_mode, str) or padding_mode not in PADDING_MODES:
        raise ValueError(f'padding_mode must be one of {PADDING_MODES}, but '
                         f'got {padding_mode!r}')


def resolve_padding(padding: Any, kernel: Pair, stride: Pair,
                    dilation: Pair) -> Pair:
    """Padding in pixels from pixels, 'same' or 'valid'.

    Raises:
        ValueError: If it is none of these, or 'same' with a stride or with
            a kernel that would need more on one side than on the other.
    """
    if padding == 'valid':
        return (0, 0)
    if padding == 'same':
        if stride != (1, 1):
            raise ValueError("padding='same' needs stride=1, but got "
                             f'stride={stride}')
        span_h, span_w = (d * (k - 1) for d, k in zip(dilation, kernel))
        if span_h % 2 or span_w % 2:
            raise ValueError("padding='same' needs an odd kernel_size, but "
                             f'got {kernel}')
        return span_h // 2, span_w // 2
    if isinstance(padding, str):
        raise ValueError("padding must be 'same', 'valid' or pixels, but got "
                         f'{padding!r}')
    return to_pair(padding, 'padding', 0)


def resolve_bases(atom_bases: Any, scales: Any, num_bases: Any,
                  kernel: int) -> Tuple[Optional[Tensor], int]:
    """The buffer psi, None for direct atoms, and the support in pixels.

    Raises:
        ValueError: If the bases are not supported.
    """
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
        raise ValueError("atom_bases must be 'fourier_bessel', an array of "
                         f'shape (J, k, k) or None, but got {atom_bases!r}')
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


def check_input(x: Any, in_channels: int) -> None:
    """Raise unless x is a floating point tensor (B, in_channels, H, W)."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError('input must be a torch.Tensor with a floating point '
                        f'dtype, but got {given}')
    if x.dim() != 4 or x.shape[1] != in_channels:
        raise ValueError(f'input must have shape (B, {in_channels}, H, W), '
                         f'but got {tuple(x.shape)}')
    if not (x.shape[2] and x.shape[3]):
        raise ValueError('input must have at least one pixel, but got shape '
                         f'{tuple(x.shape)}')


def check_padded_size(size: Sequence[int], padding: Pair, mode: str) -> None:
    """Raise a ValueError if an input is too small to be reflected."""
    limit = {'reflect': -1, 'circular': 0}.get(mode)
    if limit is not None and (padding[0] > size[0] + limit
                              or padding[1] > size[1] + limit):
        raise ValueError(f'padding_mode={mode!r} with {padding[0]} x '
                         f'{padding[1]} pixels of padding needs a larger '
                         f'input than {size[0]} x {size[1]} pixels')

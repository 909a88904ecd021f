"""Checks of the layer's arguments: every error says what is supported."""
import difflib
from typing import Any, Iterable, Sequence

from torch import Tensor

from ..ops.geometry import Pair, as_integer, to_pair

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')


def check_keys(name: str, given: Iterable[str],
               supported: Iterable[str]) -> None:
    """Raise a TypeError if ``given`` holds a key that is not supported."""
    unknown = sorted(set(given) - set(supported))
    if unknown:
        near = difflib.get_close_matches(unknown[0], supported, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise TypeError(f'{name} got unknown keys {unknown}; supported are '
                        f'{", ".join(supported)}{hint}')


def is_count(value: Any) -> bool:
    """Whether it is a positive integer; True is none."""
    number = as_integer(value)
    return number is not None and number >= 1


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

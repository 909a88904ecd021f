"""Stride, padding, dilation and groups of a convolution, checked once."""
from numbers import Integral
from typing import Any, NamedTuple, Optional, Sequence, Tuple, Union

Pair = Tuple[int, int]


def as_integer(value: Any) -> Optional[int]:
    """The value if it is an integer, NumPy's included, else None.

    True is none.
    """
    if type(value) is int:
        return value
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return int(value) if is_integer else None


def to_pair(value: Any, name: str, minimum: int) -> Pair:
    """Validate an integer or a pair of integers and return the pair.

    Raises:
        ValueError: If an entry is not an integer of at least ``minimum``.
    """
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, ) * 2
    numbers = [as_integer(v) for v in pair]
    if len(numbers) != 2 or any(n is None or n < minimum for n in numbers):
        raise ValueError(f'{name} must be an integer of at least {minimum} or '
                         f'a pair of them, but got {value!r}')
    return numbers[0], numbers[1]


class ConvGeometry(NamedTuple):
    """Where a convolution's taps fall."""
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @classmethod
    def checked(cls, stride: Any, padding: Any, dilation: Any,
                groups: Any) -> 'ConvGeometry':
        """Build from Conv2d's arguments.

        Raises:
            ValueError: If an argument is out of range.
        """
        count = as_integer(groups)
        if count is None or count < 1:
            raise ValueError(
                f'groups must be a positive integer, but got {groups!r}')
        return cls(
            to_pair(stride, 'stride', 1), to_pair(padding, 'padding', 0),
            to_pair(dilation, 'dilation', 1), count)

    def output_size(self, size: Sequence[int],
                    kernel: Union[int, Pair]) -> Pair:
        """Output height and width by Conv2d's formula.

        Raises:
            ValueError: If the padded input is smaller than the kernel.
        """
        kernel_h, kernel_w = kernel if isinstance(kernel, tuple) \
            else (kernel, kernel)
        height, width = ((n + 2 * p - d * (k - 1) - 1) // s + 1
                         for n, k, p, d, s in zip(
                             size, (kernel_h, kernel_w), self.padding,
                             self.dilation, self.stride))
        if height < 1 or width < 1:
            raise ValueError(
                f'an input of {size[0]} x {size[1]} pixels is smaller than '
                f'the {kernel_h} x {kernel_w} kernel with '
                f'padding={self.padding} '
                f'and dilation={self.dilation}: increase the padding or the '
                'input')
        return height, width

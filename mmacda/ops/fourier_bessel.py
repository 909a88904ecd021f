"""Multi-scale Fourier-Bessel atom bases (paper, Section 3.2 and Figure B)."""
from functools import lru_cache
from typing import Sequence, Tuple

import numpy as np
import torch
from scipy.special import jn_zeros, jv

MAX_ANGULAR_FREQUENCY = 15


def _basis_pairs(half_width: int) -> list:
    """Bessel pairs ``(order, zero)`` below the cut-off, by rising zero.

    A pair is kept while the *next* zero of the same order stays below
    ``pi * radius * f``; this is the cut-off that DCFNet uses.
    """
    radius = half_width + 0.5
    cut_off = np.pi * radius * (2.0 if half_width == 1 else 1.5)
    pairs = []
    for order in range(MAX_ANGULAR_FREQUENCY + 1):
        # Zeros of one order are more than 3 apart (up to their first few).
        zeros = jn_zeros(order, int(cut_off / 3) + 2)
        pairs += [(order, zero) for zero, following in zip(zeros, zeros[1:])
                  if following <= cut_off]
    return sorted(pairs, key=lambda pair: pair[1])


@lru_cache(maxsize=None)
def _fourier_bessel_set(size: int) -> np.ndarray:
    half_width = size // 2
    offsets = np.arange(-half_width, half_width + 1, dtype=np.float64)
    dy, dx = np.meshgrid(offsets, offsets, indexing='ij')
    r = np.hypot(dy, dx) / (half_width + 0.5)
    theta = np.arctan2(dx, dy)
    elements = []
    for order, zero in _basis_pairs(half_width):
        radial = np.where(r < 1, jv(order, zero * r), 0.0)
        radial = radial / abs(jv(order + 1, zero))
        if order == 0:
            elements.append(radial)
        else:
            elements.append(np.sqrt(2) * radial * np.cos(order * theta))
            elements.append(np.sqrt(2) * radial * np.sin(order * theta))
    bases = np.stack(elements[:size * size - 1])
    bases /= np.sqrt((bases**2).sum(axis=(1, 2)).mean())
    bases.setflags(write=False)
    return bases


def fourier_bessel_set(size: int) -> np.ndarray:
    """The whole Fourier-Bessel set of one scale, before truncation.

    Elements are ordered by the zero of their Bessel function, the cosine
    before the sine of each order, and the set as a whole (not each element)
    is scaled to a mean squared norm of 1. The construction is that of DCFNet
    (ICML 2018) with ``theta = atan2(dx, dy)``.

    Args:
        size (int): Side of the square support in pixels; odd, at least 3.

    Returns:
        np.ndarray: float64 array of shape (elements, size, size), read-only.

    Raises:
        ValueError: If ``size`` is even or smaller than 3.
    """
    if not isinstance(size, (int, np.integer)) or size < 3 or size % 2 == 0:
        raise ValueError('a Fourier-Bessel scale must be an odd integer of at '
                         f'least 3, but got {size!r}')
    return _fourier_bessel_set(int(size))


def fourier_bessel_bases(scales: Sequence[int] = (3, 5, 7),
                         num_bases: int = 6) -> torch.Tensor:
    """Atom bases psi: the first elements of several scales, zero-padded.

    Args:
        scales (Sequence[int]): Sides of the supports in pixels; odd, at least
            3, strictly increasing. Default: (3, 5, 7), as in the paper.
        num_bases (int): Elements kept at each scale. At most 6, 14, 38, 71,
            115 for scales 3, 5, 7, 9, 11. Default: 6, as in the paper.

    Returns:
        torch.Tensor: float64 tensor of shape (J, k, k), where
        J = len(scales) * num_bases, scale-major, and k = max(scales).

    Raises:
        ValueError: If a scale is not supported, the scales do not increase,
            or ``num_bases`` exceeds the smallest set.
    """
    return torch.from_numpy(fourier_bessel_values(scales, num_bases))


def fourier_bessel_values(scales: Sequence[int],
                          num_bases: int) -> np.ndarray:
    """What :func:`fourier_bessel_bases` returns, as an array."""
    scales = check_scales(scales)
    if not isinstance(num_bases, (int, np.integer)) or num_bases < 1:
        raise ValueError('num_bases must be a positive integer, but got '
                         f'{num_bases!r}')
    support = scales[-1]
    padded = []
    for scale in scales:
        full_set = fourier_bessel_set(scale)
        if num_bases > len(full_set):
            raise ValueError(
                f'num_bases={num_bases} exceeds the {len(full_set)} '
                f'Fourier-Bessel elements that exist at scale {scale}')
        margin = (support - scale) // 2
        padded.append(
            np.pad(full_set[:num_bases],
                   ((0, 0), (margin, margin), (margin, margin))))
    return np.concatenate(padded)


def check_scales(scales: Sequence[int]) -> Tuple[int, ...]:
    """Validate a list of scales and return it as a tuple of ints.

    Raises:
        ValueError: If it is empty, not strictly increasing, or holds anything
            but odd integers of at least 3.
    """
    try:
        checked = tuple(scales)
    except TypeError:
        raise ValueError('scales must be a sequence of odd integers such as '
                         f'(3, 5, 7), but got {scales!r}') from None
    valid = checked and all(
        isinstance(s, (int, np.integer)) and s >= 3 and s % 2 == 1
        for s in checked) and list(checked) == sorted(set(checked))
    if not valid:
        raise ValueError('scales must be strictly increasing odd integers of '
                         f'at least 3 such as (3, 5, 7), but got {scales!r}')
    return tuple(int(s) for s in checked)

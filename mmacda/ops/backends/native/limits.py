"""What the native backend does not serve: by size, or by the user's wish."""
import logging
import os
from functools import lru_cache
from typing import Optional, Sequence

from torch import Tensor

from ...geometry import ConvGeometry

ENVIRONMENT_VARIABLE = 'MMACDA_NATIVE'
OFF, ON = ('0', 'no', 'off', 'false'), ('', '1', 'yes', 'on', 'true',
                                              'compile')
# Of the C code's offsets inside a channel, less the vectors that follow it.
MOST_FLOATS = 2**31 - 64

logger = logging.getLogger('mmacda')


def is_switched_off() -> Optional[str]:
    """The environment variable's assignment if it says so, else None."""
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return value and _read(value)


@lru_cache(maxsize=None)
def _read(value: str) -> Optional[str]:
    word = value.strip().lower()
    if word in OFF:
        return f'{ENVIRONMENT_VARIABLE}={value} switches it off'
    if word not in ON:
        logger.warning(
            '%s=%r is not understood and leaves the native backend on: '
            '0 switches it off, 1 or nothing leaves it on',
            ENVIRONMENT_VARIABLE, value)
    return None


def find_excess(alpha_shape: Sequence[int], atom_bases: Optional[Tensor],
                geometry: ConvGeometry) -> Optional[str]:
    """Reason why a call exceeds 32-bit offsets, or None."""
    kernel = round(alpha_shape[2]**0.5) if atom_bases is None \
        else atom_bases.shape[2]
    return find_excess_of(alpha_shape[3:], kernel, geometry)


def find_excess_of(size: Sequence[int], kernel: int,
                   geometry: ConvGeometry) -> Optional[str]:
    """:func:`find_excess` of Ho, Wo and the side of the atoms."""
    return _find_excess(size[0], size[1], kernel, geometry)


@lru_cache(maxsize=256)
def _find_excess(height: int, width: int, kernel: int,
                 geometry: ConvGeometry) -> Optional[str]:
    if max(map(max, geometry[:3])) > MOST_FLOATS:
        return 'its strides, paddings and dilations are 32-bit integers'
    # Those of plan.py where every tap is live.
    floats = 1
    for size, stride, dilation in zip((height, width), geometry.stride,
                                      geometry.dilation):
        phases = min(kernel, stride)
        floats *= phases * (size + (kernel - 1) * dilation // stride)
    if floats > MOST_FLOATS:
        return (f'a padded channel takes {floats} floats, but its offsets '
                'are 32-bit integers')
    return None

"""The bases of a layer: resolved from its arguments, told apart in files."""
from itertools import combinations
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ..ops.backends.bases import outside
from ..ops.backends.fixed_bases import FixedBases
from ..ops.fourier_bessel import (check_scales, fourier_bessel_set,
                                  fourier_bessel_values)

# Decimals that every machine agrees on: Bessel functions may differ in the
# last bits.
DECIMALS = 6
# Of bases in bfloat16, whose elements are below 2 in magnitude.
ROUNDING = 2**-8


class LayerBases(NamedTuple):
    """What a layer holds of psi, on the host: copied and pickled with it.

    Attributes:
        fixed (FixedBases): The values, padded to the layer's support.
        scales (Tuple[int, ...]): Empty for bases of the user's own.
        num_bases (int): Per scale; of the user's own, all.
    """
    fixed: FixedBases
    scales: Tuple[int, ...]
    num_bases: int

    def fingerprint(self) -> Tensor:
        """What a checkpoint holds of them: a new int64 tensor on the CPU.

        A hash of the rounded values, ``num_bases`` and the scales.
        """
        rounded = np.round(self.fixed.values, DECIMALS) + 0.  # no -0
        mark = FixedBases.hash(rounded)
        numbers = [int(mark[:15], 16), self.num_bases, *self.scales]
        return torch.tensor(numbers, dtype=torch.int64, device='cpu')

    @classmethod
    def recover(cls, buffer: Tensor) -> 'LayerBases':
        """From a rounded copy, which layers of earlier versions hold."""
        given = _read(buffer)
        count, support = given.shape[:2]
        sizes = range(3, support + 1, 2)
        for scales in (scales for n in range(1, len(sizes) + 1)
                       for scales in combinations(sizes, n)):
            num_bases, rest = divmod(count, len(scales))
            if rest or num_bases > len(fourier_bessel_set(scales[0])):
                continue
            exact = _pad(fourier_bessel_values(scales, num_bases), support)
            if np.allclose(given, exact, rtol=0, atol=ROUNDING):
                return cls(FixedBases(exact), scales, num_bases)
        return cls(FixedBases(given), (), count)


def tell_difference(name: str, bases: Optional[LayerBases],
                    given: Any) -> Optional[str]:
    """What to say of a checkpoint with other bases than a layer, if it has.

    Args:
        name (str): The layer's.
        bases (LayerBases, optional): The layer's; None for none.
        given (Any): The checkpoint's fingerprint. One that was turned into
            floats with the weights is compared as far as it goes; what is
            none is taken as it comes.
    """
    if not _is_fingerprint(given):
        return None
    own = None if bases is None else bases.fingerprint()
    if own is not None and _agree(own, given):
        return None
    trained = given.nan_to_num().long().tolist()
    current = None if own is None else own.tolist()
    return (f'bases mismatch for {name or "the layer"}: the checkpoint was '
            f'trained with {_in_words(trained)}, but the current layer '
            f'has {_in_words(current)}: its weights mean something else there')


def _is_fingerprint(given: Any) -> bool:
    if not isinstance(given, Tensor) or given.is_meta or given.dim() != 1 \
            or len(given) < 2:
        return False
    # Scales are odd, also where the weights are in half precision.
    return given.dtype == torch.int64 or (
        given.is_floating_point() and bool((given[2:] % 2 == 1).all())
        and bool((given[2:] > 1).all()))


def _agree(own: Tensor, given: Tensor) -> bool:
    if given.dtype == torch.int64:
        return int(own[0]) == int(given[0])
    own, given = own.to(given.dtype).double(), given.cpu().double()
    # The hash may be infinite; an average of several is rounded.
    return own.shape == given.shape and torch.allclose(
        own, given, rtol=ROUNDING)


def _in_words(numbers: Optional[List[int]]) -> str:
    if numbers is None:
        return 'no bases'
    if len(numbers) == 2:
        return (f'atom_bases of its own ({numbers[1]}, fingerprint '
                f'{numbers[0]:x})')
    return (f'scales={tuple(numbers[2:])} and num_bases={numbers[1]} '
            f'(fingerprint {numbers[0]:x})')


def resolve_bases(atom_bases: Any, scales: Any, num_bases: Any,
                  kernel: int) -> Tuple[Optional[LayerBases], int]:
    """psi, None for direct atoms, and the support in pixels.

    Raises:
        ValueError: If the bases are not supported.
    """
    if isinstance(atom_bases, str) and atom_bases == 'fourier_bessel':
        scales = check_scales(scales) if scales is not None else tuple(
            range(3, kernel + 1, 2))
        values = fourier_bessel_values(scales, num_bases)
    elif scales is not None:
        raise ValueError(f'scales={scales!r} applies to '
                         "atom_bases='fourier_bessel' only")
    elif atom_bases is None:
        return None, kernel
    elif isinstance(atom_bases, str):
        raise ValueError("atom_bases must be 'fourier_bessel', an array of "
                         f'shape (J, k, k) or None, but got {atom_bases!r}')
    else:
        values, scales = _read(atom_bases), ()
        num_bases = len(values)
    support = max(kernel, values.shape[-1])
    fixed = FixedBases(_pad(values, support))
    return LayerBases(fixed, scales, int(num_bases)), support


def _pad(values: np.ndarray, support: int) -> np.ndarray:
    margin = (support - values.shape[-1]) // 2
    return np.pad(values, ((0, 0), (margin, margin), (margin, margin)))


def _read(atom_bases: Any) -> np.ndarray:
    """Bases of the user's own as float64."""
    if isinstance(atom_bases, Tensor):
        if atom_bases.is_meta or hasattr(atom_bases, 'fake_mode'):
            raise ValueError('atom_bases must hold values, but got a '
                             f'{type(atom_bases).__name__} on '
                             f'{atom_bases.device}')
        values = outside(lambda: atom_bases.detach().cpu().double().numpy())
    else:
        values = np.asarray(atom_bases, dtype=np.float64)
    if values.ndim != 3 or values.shape[1] != values.shape[2] \
            or values.shape[1] % 2 == 0 or not len(values):
        raise ValueError('atom_bases must have shape (J, k, k) with k odd, '
                         f'but got {values.shape}')
    if not np.isfinite(values).all():
        raise ValueError('atom_bases must be finite, but '
                         f'{(~np.isfinite(values)).sum()} of its values are '
                         'not')
    return values

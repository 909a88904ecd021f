"""What backends know of the bases: which taps are live."""
from typing import List, Optional

from torch import Tensor


def find_live_taps(atom_bases: Optional[Tensor], kernel: int) -> List[int]:
    """Flat indices of the taps that some basis uses.

    Fourier-Bessel bases vanish outside a disc: 37 of 49 taps are live at
    7 x 7. Skipping the others is exact.
    """
    if atom_bases is None:
        return list(range(kernel * kernel))
    used = (atom_bases.detach().flatten(1) != 0).any(0)
    return used.nonzero().flatten().tolist() or [0]  # at least one

"""What backends know of the atom bases: found once, for all of them.

:func:`describe` answers for any tensor of bases which taps are live and what
is stored there. Those of a layer (``fixed_bases.py``) are described as they
are made, so that no call reads a device.
"""
import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .capture import Constants, refuse_capture


class SparseBases(NamedTuple):
    """Live taps and the non-zero basis values, row-compressed both ways."""
    rows: np.ndarray
    columns: np.ndarray
    by_tap: Tuple[np.ndarray, ...]
    by_coefficient: Tuple[np.ndarray, ...]


class Description:
    """psi as it is stored, on the host.

    Args:
        values (np.ndarray): Shape (J, k * k), float64.

    Attributes:
        live (List[int]): Flat indices of the taps that some basis uses, at
            least one. Fourier-Bessel bases vanish outside a disc: 37 of 49
            taps are live at 7 x 7. Skipping the others is exact.
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self.kernel = round(values.shape[1]**0.5)
        self.live = np.flatnonzero(values.any(0)).tolist() or [0]
        self._parts: Dict[tuple, Constants] = {}
        self._sparse: Dict[bool, SparseBases] = {}

    def at(self,
           taps: Sequence[int],
           like: Tensor,
           dtype: torch.dtype,
           transposed: bool = False) -> Tensor:
        """psi at some taps, (J, taps), contiguous, on the device of ``like``.

        Made once for each device: it is not to be written to.
        """
        key = (tuple(taps), like.device, dtype, transposed)
        if key not in self._parts:
            refuse_capture('its bases are not on the device yet')
            part = self.values[:, list(taps)]
            part = part.T if transposed else part
            self._parts[key] = Constants(
                [outside(make, part, like.device, dtype)])
        constants = self._parts[key]
        constants.use()
        return constants.tensors[0]

    def sparse(self, turned: bool) -> SparseBases:
        """Of the bases as they are, or of their mirror images."""
        if turned not in self._sparse:
            self._sparse[turned] = self._compress(turned)
        return self._sparse[turned]

    def _compress(self, turned: bool) -> SparseBases:
        kernel, bases = self.kernel, self.values.astype(np.float32)
        if turned:
            bases = bases.reshape(-1, kernel, kernel).swapaxes(1, 2)
            bases = bases.reshape(len(self.values), -1)
        live = np.flatnonzero(bases.any(0))
        # By columns: csrc/atoms.h:spread_input says why.
        live = live[np.argsort(live % kernel, kind='stable')]
        return SparseBases(live // kernel, live % kernel,
                           _compress_rows(bases[:, live].T),
                           _compress_rows(bases[:, live]))


class _Unread(Description):
    """Of a tensor without values: a meta, fake or functional one."""

    def __init__(self, atom_bases: Tensor):
        self.tensor = atom_bases.detach().flatten(1)
        self.live = list(range(self.tensor.shape[1]))

    def at(self, taps, like, dtype, transposed=False):
        part = self.tensor.to(dtype)
        if list(taps) != self.live:
            part = part[:, list(taps)]
        return part.t() if transposed else part

    def sparse(self, turned: bool) -> SparseBases:
        raise RuntimeError('the bases have no values that could be read: they '
                           f'are a {type(self.tensor).__name__} on '
                           f'{self.tensor.device}')


def _compress_rows(matrix: np.ndarray) -> Tuple[np.ndarray, ...]:
    row, column = np.nonzero(matrix)
    start = np.searchsorted(row, np.arange(len(matrix) + 1))
    return (start.astype(np.int32), column.astype(np.int32),
            matrix[row, column])


def outside(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)``, in a thread of its own.

    There none of the caller's modes is on: fake tensors, tracing, functional
    transforms, inference, autocast, a default device. What it makes lasts.
    """
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *arguments).result()


def make(values: np.ndarray, device: torch.device,
         dtype: torch.dtype) -> Tensor:
    """A tensor with memory of its own; float64 values are rounded once."""
    tensor = torch.tensor(np.ascontiguousarray(values), dtype=torch.float64)
    return tensor.to(dtype).to(device)


# By address, of tensors that stay: with the version that is described.
_made: Dict[int, Tuple[Tensor, int, Description]] = {}
# Of other tensors on devices: version and description.
_read = WeakTensorKeyDictionary()


def remember(tensor: Tensor, copy: Tensor) -> None:
    """Describe a tensor that stays, by its copy on the CPU."""
    _made[tensor.data_ptr()] = tensor, tensor._version, _by_content(
        _content(copy), copy.dtype, len(copy))


def describe(atom_bases: Optional[Tensor], taps: int) -> Description:
    """What is known of bases (J, k, k); None are direct atoms of k * k taps.

    A tensor that was not remembered is described by its content. To read that
    of a device waits for it: once for each state.
    """
    if atom_bases is None:
        return _direct(taps)
    if not _has_values(atom_bases):
        return _Unread(atom_bases)
    version = None if atom_bases.is_inference() else atom_bases._version
    made = _made.get(atom_bases.data_ptr())
    if made and made[1] == version and _is_same(made[0], atom_bases):
        return made[2]
    if atom_bases.device.type == 'cpu':
        return _by_content(_content(atom_bases), atom_bases.dtype,
                           len(atom_bases))
    known = _read.get(atom_bases)
    if version is None or known is None or known[0] != version:
        refuse_capture('its bases have not been read yet')
        known = version, _by_content(
            _content(outside(_densely, atom_bases)), atom_bases.dtype,
            len(atom_bases))
        _read[atom_bases] = known
    return known[1]


def _is_same(made: Tensor, tensor: Tensor) -> bool:
    return made is tensor or (
        made.device == tensor.device and made.dtype == tensor.dtype
        and made.shape == tensor.shape and made.stride() == tensor.stride()
        and not tensor.is_neg())


def _has_values(tensor: Tensor) -> bool:
    """Whether its memory can be read."""
    if tensor.device.type == 'meta' or \
            type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return False
    try:
        return tensor.data_ptr() != 0
    except RuntimeError:  # a functional tensor
        return False


def _content(tensor: Tensor) -> bytes:
    if tensor.is_neg() or not tensor.is_contiguous():
        tensor = outside(_densely, tensor)
    return ctypes.string_at(tensor.data_ptr(),
                            tensor.numel() * tensor.element_size())


def _densely(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().resolve_neg().contiguous()


@lru_cache(maxsize=64)
def _by_content(content: bytes, dtype: torch.dtype,
                count: int) -> Description:
    values = outside(lambda: torch.frombuffer(
        bytearray(content), dtype=dtype).double().numpy())
    return Description(values.reshape(count, -1))


@lru_cache(maxsize=64)
def _direct(taps: int) -> Description:
    return Description(np.eye(taps))

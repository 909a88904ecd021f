"""Bases that never change, always right: on any device, in any dtype."""
import hashlib
from typing import Dict

import numpy as np
import torch
from torch import Tensor

from ..autocast import is_compiling
from .bases import make, outside, remember


class FixedBases:
    """psi that never changes: one object for each content, immutable.

    Its tensors are kept as long as the process lives.

    Args:
        values (np.ndarray): Shape (J, k, k).

    Attributes:
        values (np.ndarray): The same, float64, read-only.
        count (int): J.
        digest (str): Of the content.
    """
    values: np.ndarray
    count: int
    digest: str
    _made: Dict[tuple, Tensor]

    def __new__(cls, values: np.ndarray) -> 'FixedBases':
        values = np.array(values, dtype=np.float64)  # a copy
        digest = cls.hash(values)
        if digest not in _fixed:
            bases = super().__new__(cls)
            values.setflags(write=False)
            bases.values, bases.count = values, len(values)
            bases.digest, bases._made = digest, {}
            return _fixed.setdefault(digest, bases)
        return _fixed[digest]

    @staticmethod
    def hash(values: np.ndarray) -> str:
        """Hexadecimal digits that tell arrays apart."""
        head = repr(tuple(values.shape)).encode()
        little = values.astype('<f8').tobytes()
        return hashlib.sha256(head + little).hexdigest()

    def __reduce__(self) -> tuple:
        return FixedBases, (self.values, )

    def __copy__(self) -> 'FixedBases':
        return self

    def __deepcopy__(self, memo: dict) -> 'FixedBases':
        return self

    def on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """psi as a tensor, made once; it is not to be written to."""
        if not is_compiling():
            made = self._made.get((device, dtype))
            if made is not None and not made._version:
                return made
        return getattr(self, _prepare(self.digest, device, dtype))

    def beside(self, weight: Tensor) -> Tensor:
        """psi on the device and in the dtype of a weight.

        A fake tensor beside a fake one.
        """
        tensor = self.on(weight.device, weight.dtype)
        if is_compiling():  # which fakes it itself
            return tensor
        mode = getattr(weight, 'fake_mode', None)
        return tensor if mode is None else mode.from_tensor(tensor)


_fixed: Dict[str, FixedBases] = {}


def _prepare(digest: str, device: torch.device, dtype: torch.dtype) -> str:
    """Name of the attribute that holds a tensor of fixed bases.

    torch.compile calls this, and finds the tensor as an attribute: one that
    it were given here could not appear twice in a graph.
    """
    bases = _fixed[digest]
    index = '' if device.index is None else device.index
    name = f'on_{device.type}{index}_{str(dtype)[6:]}'
    made = vars(bases).get(name)
    if made is None or made._version:  # or somebody wrote to it
        made = outside(make, bases.values, device, dtype)
        if device.type != 'meta':
            remember(
                made, made if device.type == 'cpu' else outside(
                    make, bases.values, torch.device('cpu'), dtype))
        setattr(bases, name, made)
        bases._made[device, dtype] = made
    return name


# torch.compiler.assume_constant_result, without its import of the compiler,
# which brings Triton.
_prepare._dynamo_marked_constant = True  # type: ignore[attr-defined]


def constant(values: np.ndarray, device: torch.device,
             dtype: torch.dtype) -> Tensor:
    """The tensor of these bases (J, k, k), made once for all layers."""
    return FixedBases(values).on(device, dtype)

"""What PyTorch's safe loader may build while MMEngine's files are read."""
from contextlib import contextmanager
from pickle import UnpicklingError
from threading import Lock
from typing import Any, Iterator, List, Tuple

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version

# Since then `torch.load` is safe unless told otherwise, and takes names.
SAFE_BY_DEFAULT = digit_version(torch.__version__) >= digit_version('2.6')
DTYPES = ('?', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4',
          'f8', 'c8', 'c16')


def training_globals() -> List[Tuple[Any, str]]:
    """What MMEngine's checkpoints hold besides weights, with its names.

    Logging history, and arrays and scalars of numbers. Their functions are
    called ``numpy.core...`` by numpy 1 and ``numpy._core...`` by numpy 2.
    """
    old = np.lib.NumpyVersion(np.__version__) < '2.0.0'
    core: Any = getattr(np, 'core' if old else '_core')
    found = [(HistoryBuffer, 'mmengine.logging.history_buffer.HistoryBuffer'),
             (_history_method, 'builtins.getattr'),
             (np.ndarray, 'numpy.ndarray'), (np.dtype, 'numpy.dtype')]
    for function in (core.multiarray._reconstruct, core.multiarray.scalar):
        for package in ('numpy.core', 'numpy._core'):
            name = f'{package}.multiarray.{function.__name__}'
            found.append((function, name))
    for name in DTYPES:  # which pickles do not name, but build
        kind = type(np.dtype(name))
        found.append((kind, f'{kind.__module__}.{kind.__qualname__}'))
    return found


def _history_method(owner: type, name: str) -> Any:
    """The one use of ``getattr`` in MMEngine's checkpoints."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current',
                                                  'mean'):
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(owner, name)


class _Allowance:
    """Counts who loads: the first one adds the names, the last removes them.

    Names that were allowed before stay allowed afterwards.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._loading = 0
        self._added: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._loading:
                known = set(torch.serialization.get_safe_globals())
                self._added = torch.serialization.safe_globals(
                    [pair for pair in training_globals() if pair not in known])
                self._added.__enter__()
            self._loading += 1

    def leave(self) -> None:
        with self._lock:
            self._loading -= 1
            if not self._loading:
                self._added.__exit__(None, None, None)


_ALLOWANCE = _Allowance()


@contextmanager
def training_checkpoints_allowed() -> Iterator[None]:
    """Let the safe loader read MMEngine's checkpoints, in this block alone.

    Since torch 2.6 ``torch.load`` refuses classes that it does not know, and
    MMEngine's checkpoints carry their logging history. Exactly what
    :func:`training_globals` lists is allowed, of the history its four methods,
    which are pickled by ``getattr``; the loader stays safe.

    Example:
        >>> with training_checkpoints_allowed():
        ...     checkpoint = torch.load('epoch_1.pth', map_location='cpu')
    """
    if not SAFE_BY_DEFAULT:
        yield
        return
    _ALLOWANCE.enter()
    try:
        yield
    finally:
        _ALLOWANCE.leave()

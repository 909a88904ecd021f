"""The compiled library: loaded once, its functions declared."""
import ctypes
import logging
import os
from functools import lru_cache
from typing import Any, NamedTuple, Optional, Tuple

from .limits import is_switched_off

logger = logging.getLogger('mmacda')


class _Library(NamedTuple):
    functions: ctypes.CDLL
    launcher: Optional[int]  # GOMP_parallel of PyTorch's own threads
    process: int
    storages: int  # bits: which dtypes of maps it reads


@lru_cache(maxsize=None)
def _load() -> Tuple[Optional[_Library], Optional[str]]:
    """The library, or the reason why there is none (logged once)."""
    from ...build import BuildError, build  # its own main module at times
    try:
        path, _ = build()
        return _declare(ctypes.CDLL(str(path))), None
    except (BuildError, OSError, AttributeError) as error:
        reason = f'the native library is not available: {error}'
        logger.warning('%s; PyTorch\'s operators serve instead, more slowly',
                       reason)
        return None, reason


def _declare(functions: ctypes.CDLL) -> _Library:
    pointer: Any = ctypes.c_void_p
    number, size = ctypes.c_int, ctypes.c_int64
    functions.mmacda_forward_floats.argtypes = [pointer, number]
    functions.mmacda_forward_floats.restype = size
    functions.mmacda_forward.argtypes = [pointer] * 10 + [number, pointer]
    functions.mmacda_forward.restype = None
    functions.mmacda_backward_floats.argtypes = [pointer, number, number]
    functions.mmacda_backward_floats.restype = size
    functions.mmacda_backward.argtypes = [pointer] * 12 + [
        number, number, pointer
    ]
    functions.mmacda_fold_norm.argtypes = [size] * 2 + [pointer] * 5 + [
        ctypes.c_double, pointer
    ]
    functions.mmacda_fold_norm.restype = None
    functions.mmacda_evaluated_floats.argtypes = [pointer, number]
    functions.mmacda_evaluated_floats.restype = size
    functions.mmacda_evaluated.argtypes = [pointer] * 4 + [
        ctypes.c_double, pointer, pointer, ctypes.c_double
    ] + [pointer] * 4 + [number, pointer]
    functions.mmacda_evaluated.restype = None
    functions.mmacda_generator_pitch.argtypes = [pointer]
    functions.mmacda_generator_pitch.restype = size
    functions.mmacda_backward.restype = None
    functions.mmacda_batch_floats.argtypes = [pointer, number]
    functions.mmacda_batch_floats.restype = size
    functions.mmacda_batch_norms.argtypes = [pointer] * 9 + [
        ctypes.c_double
    ] * 2 + [pointer] * 5 + [number, pointer]
    functions.mmacda_batch_norms.restype = None
    functions.mmacda_batch_backward_floats.argtypes = [pointer, number, number]
    functions.mmacda_batch_backward_floats.restype = size
    functions.mmacda_batch_norms_backward.argtypes = [pointer] * 20 + [
        number, pointer
    ]
    functions.mmacda_batch_norms_backward.restype = None
    for name in ('mmacda_has_dots', 'mmacda_use_dots'):
        getattr(functions, name).restype = number
    functions.mmacda_use_dots.argtypes = [number]
    functions.mmacda_storages.argtypes = []
    functions.mmacda_storages.restype = number
    launcher = getattr(ctypes.CDLL(None), 'GOMP_parallel', None)
    return _Library(functions, launcher and ctypes.cast(
        launcher, pointer).value, os.getpid(), functions.mmacda_storages())


def is_unavailable() -> Optional[str]:
    """Reason why there is no library, or none wanted, or None."""
    return is_switched_off() or _load()[1]


def library() -> Tuple[ctypes.CDLL, Optional[int]]:
    """Its functions, and what starts their threads.

    Raises:
        RuntimeError: If there is none; :func:`is_unavailable` says so before.
    """
    loaded, reason = _load()
    if loaded is None:
        raise RuntimeError(reason)
    # The OpenMP runtime's threads do not survive a fork; plain ones do.
    return loaded.functions, \
        loaded.launcher if os.getpid() == loaded.process else None


def readable_storages() -> int:
    """The dtypes of maps that it reads, as bits: see half.py."""
    loaded, reason = _load()
    if loaded is None:
        raise RuntimeError(reason)
    return loaded.storages


def describe_half() -> str:
    """How half precision maps are multiplied here, in words."""
    loaded, reason = _load()
    if loaded is None:
        return f'none, {reason}'
    if loaded.functions.mmacda_has_dots():
        return 'bfloat16 pairs (AVX512-BF16), float16 as float32'
    return 'as float32'

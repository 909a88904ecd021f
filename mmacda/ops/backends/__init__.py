"""Implementations of adaptive_conv2d, and the rule that chooses one.

A module has ``forward`` and ``backward``, or is differentiated by autograd and
has ``adaptive_conv2d``. ``can_run``, where there is one, gives the reason why
a call cannot be served, or None.
"""
import logging
import os
from functools import lru_cache
from types import ModuleType
from typing import Dict, Optional, Tuple

import torch

from .. import reference
from . import export, native, stock, triton
from .triton import fused as triton_fused

BACKENDS: Dict[str, ModuleType] = dict(
    native=native,
    triton=triton,
    triton_fused=triton_fused,
    stock=stock,
    export=export,
    reference=reference)
ENVIRONMENT_VARIABLE = 'MMACDA_BACKEND'
# Elements of the unfolded input up to which unfolding is the quicker way
# where only PyTorch serves: 1 MB in float32, and 6 MB with gradients.
SMALL_UNFOLD, SMALL_UNFOLD_WITH_GRADIENTS = 2**18, 3 * 2**19

logger = logging.getLogger('mmacda')


def choose_backend(name: Optional[str], x,
                   *arguments) -> Tuple[str, ModuleType]:
    """Name and module of the backend that serves a call.

    A name given by the caller, else by the environment variable
    ``MMACDA_BACKEND``, is binding. Otherwise ONNX export takes the export
    form, other tracing (FLOPs counters, TorchScript) the reference, whose
    matrix products a counter sees, and all else triton on a GPU and native on
    a CPU, where they can run. Where they cannot, stock serves, but for inputs
    so small that its many calls cost more than the reference's unfold.

    Raises:
        ValueError: If the name is unknown or the backend cannot run the call.
    """
    source = 'backend'
    if name is None and ENVIRONMENT_VARIABLE in os.environ:
        name = os.environ[ENVIRONMENT_VARIABLE].strip() or None
        source = ENVIRONMENT_VARIABLE
    if name is None:
        name = _choose(x, *arguments)
        return name, BACKENDS[name]
    if name not in BACKENDS:
        raise ValueError(f'{source}={name!r} is unknown; supported are '
                         f'{", ".join(map(repr, BACKENDS))}')
    module = BACKENDS[name]
    reason = module.can_run(x, *arguments) if hasattr(module,
                                                      'can_run') else None
    if reason:
        raise ValueError(f'{source}={name!r} cannot run this call: {reason}')
    return name, module


def _choose(x, *arguments) -> str:
    if torch.onnx.is_in_onnx_export():
        return 'export'
    if torch.jit.is_tracing():
        return 'reference'
    fastest = 'triton' if x.device.type == 'cuda' else 'native'
    reason = BACKENDS[fastest].can_run(x, *arguments)
    if reason is None:
        return fastest
    _log_once(fastest, reason)
    return 'reference' if _is_small(x, *arguments) \
        or stock.can_run(x, *arguments) else 'stock'


def _is_small(x, alpha, atom_bases, weight, geometry) -> bool:
    batch, _, taps, height, width = alpha.shape
    if atom_bases is not None:
        taps = atom_bases.shape[1]**2
    size = batch * height * width * taps * x.shape[1]
    if size >= SMALL_UNFOLD_WITH_GRADIENTS:
        return False
    return size < SMALL_UNFOLD or torch.is_grad_enabled() and any(
        t is not None and t.requires_grad
        for t in (x, alpha, atom_bases, weight))


@lru_cache(maxsize=None)
def _log_once(name: str, reason: str) -> None:
    logger.info('not using the %s backend: %s', name, reason)

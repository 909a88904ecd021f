"""Implementations of adaptive_conv2d, and the rule that chooses one."""
import os
from types import ModuleType
from typing import Dict, Optional, Tuple

import torch

from . import stock

# 'reference' is differentiated by autograd and has no module here.
BACKENDS: Dict[str, Optional[ModuleType]] = dict(stock=stock, reference=None)
ENVIRONMENT_VARIABLE = 'MMACDA_BACKEND'


def choose_backend(name: Optional[str], x,
                   *arguments) -> Tuple[str, Optional[ModuleType]]:
    """Name and module of the backend that serves a call.

    A name given by the caller, else by the environment variable
    ``MMACDA_BACKEND``, is binding. Otherwise tracing (FLOPs counters,
    TorchScript) takes the reference, whose matrix products a counter sees,
    and all else the stock backend.

    Raises:
        ValueError: If the name is unknown or the backend cannot run the call.
    """
    source = 'backend'
    if name is None and os.environ.get(ENVIRONMENT_VARIABLE):
        name, source = os.environ[ENVIRONMENT_VARIABLE], ENVIRONMENT_VARIABLE
    if name is None:
        name = 'reference' if torch.jit.is_tracing() else 'stock'
    if name not in BACKENDS:
        raise ValueError(f'{source}={name!r} is unknown; supported are '
                         f'{", ".join(map(repr, BACKENDS))}')
    module = BACKENDS[name]
    reason = module.can_run(x, *arguments) if module else None
    if reason:
        raise ValueError(f'{source}={name!r} cannot run this call: {reason}')
    return name, module

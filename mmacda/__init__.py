"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package adds our names to MMEngine's root registries and changes
nothing that was there. What replaces something is in `mmacda.patches`.
"""
from typing import Any

from . import (checkpoints, datasets, evaluation, layers,  # noqa: F401
               models, ops, optim, visualization)
from .registry_types import own_type
from .version import __version__
from .versions import warn_of_unproven_versions

__all__ = ['__version__']

warn_of_unproven_versions()


def __getattr__(name: str) -> Any:
    """What a config means by 'mmacda.ACDAConv', with a word on its name."""
    return own_type(__name__, name)

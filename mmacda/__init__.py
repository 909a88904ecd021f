"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package fills MMEngine's root registries.
"""
from typing import Any

from . import (checkpoints, compat, datasets, evaluation,  # noqa: F401
               layers, models, ops, visualization)
from .registry_types import own_type
from .version import __version__
from .versions import warn_of_unproven_versions

__all__ = ['__version__']

warn_of_unproven_versions()


def __getattr__(name: str) -> Any:
    """What a config means by 'mmacda.ACDAConv', with a word on its name."""
    return own_type(__name__, name)

"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package fills MMEngine's root registries.
"""
from . import (checkpoints, compat, datasets, evaluation,  # noqa: F401
               layers, models, ops, visualization)
from .version import __version__
from .versions import warn_of_unproven_versions

__all__ = ['__version__']

warn_of_unproven_versions()

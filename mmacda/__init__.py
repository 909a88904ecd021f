"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package adds our names to MMEngine's root registries and changes
nothing that was there. What replaces something is in `mmacda.patches`.
"""
from . import (checkpoints, datasets, evaluation, layers,  # noqa: F401
               models, ops, optim, visualization)
from .version import __version__
from .versions import warn_of_unproven_versions

__all__ = ['__version__']

warn_of_unproven_versions()

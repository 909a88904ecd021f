"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package fills MMEngine's root registries.
"""
from . import compat, datasets, layers, models, ops  # noqa: F401
from .version import __version__

__all__ = ['__version__']

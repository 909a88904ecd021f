"""Adaptive convolutions with per-pixel dynamic filter atoms for OpenMMLab.

Importing this package fills MMEngine's root registries.
"""
from . import (compat, datasets, evaluation, layers, models,  # noqa: F401
               ops, visualization)
from .version import __version__

__all__ = ['__version__']

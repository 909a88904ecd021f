"""Datasets on MMEngine's root registry."""
from .digits import Digits
from .patterns import MultiScalePatterns

__all__ = ['Digits', 'MultiScalePatterns']

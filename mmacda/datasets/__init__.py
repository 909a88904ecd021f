"""Datasets on MMEngine's root registry."""
from .digits import Digits
from .patterns import MultiScalePatterns
from .photographs import Photographs

__all__ = ['Digits', 'MultiScalePatterns', 'Photographs']

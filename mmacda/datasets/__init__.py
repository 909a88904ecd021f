"""Datasets on MMEngine's root registry."""
from .digits import Digits
from .patterns import MultiScalePatterns
from .photographs import Photographs
from .realsr import RealSR
from .transforms import LoadImagePair

__all__ = [
    'Digits', 'LoadImagePair', 'MultiScalePatterns', 'Photographs', 'RealSR'
]

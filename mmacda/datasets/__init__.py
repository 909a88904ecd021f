"""Datasets on MMEngine's root registry."""
from . import transforms
from .crowd import CrowdDataset, ShanghaiTech, SyntheticCrowd
from .digits import Digits
from .patterns import MultiScalePatterns

__all__ = [
    'CrowdDataset', 'Digits', 'MultiScalePatterns', 'ShanghaiTech',
    'SyntheticCrowd', 'transforms'
]

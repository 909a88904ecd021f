"""Datasets on MMEngine's root registry."""
from . import transforms
from .crowd import (CrowdDataset, NWPUCrowd, ShanghaiTech, SyntheticCrowd,
                    UCFQNRF)
from .digits import Digits
from .patterns import MultiScalePatterns
from .photographs import Photographs
from .realsr import RealSR
from .transforms import LoadImagePair, LoadPicture

__all__ = [
    'CrowdDataset', 'Digits', 'LoadImagePair', 'LoadPicture',
    'MultiScalePatterns', 'NWPUCrowd', 'Photographs', 'RealSR', 'ShanghaiTech',
    'SyntheticCrowd', 'UCFQNRF', 'transforms'
]

"""Datasets on MMEngine's root registry."""
from . import transforms
from .crowd import (BoxCounting, COCOCounting, CrowdDataset, NWPUCrowd,
                    ShanghaiTech, SyntheticCrowd, UCFQNRF, VOCCounting)
from .digits import Digits
from .patterns import MultiScalePatterns
from .photographs import Photographs
from .realsr import RealSR
from .transforms import LoadImagePair, LoadPicture

__all__ = [
    'BoxCounting', 'COCOCounting', 'CrowdDataset', 'Digits', 'LoadImagePair',
    'LoadPicture', 'MultiScalePatterns', 'NWPUCrowd', 'Photographs', 'RealSR',
    'ShanghaiTech', 'SyntheticCrowd', 'UCFQNRF', 'VOCCounting', 'transforms'
]

"""Datasets on MMEngine's root registry."""
from . import transforms
from .crowd import (CrowdDataset, NWPUCrowd, ShanghaiTech, SyntheticCrowd,
                    UCFQNRF)
from .digits import Digits
from .patterns import MultiScalePatterns

__all__ = [
    'CrowdDataset', 'Digits', 'MultiScalePatterns', 'NWPUCrowd',
    'ShanghaiTech', 'SyntheticCrowd', 'UCFQNRF', 'transforms'
]

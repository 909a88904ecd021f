"""Crowds with annotated heads, on MMEngine's root registry."""
from .crowd_dataset import CrowdDataset
from .nwpu_crowd import NWPUCrowd
from .shanghaitech import ShanghaiTech
from .synthetic_crowd import SyntheticCrowd
from .ucf_qnrf import UCFQNRF

__all__ = [
    'CrowdDataset', 'NWPUCrowd', 'ShanghaiTech', 'SyntheticCrowd', 'UCFQNRF'
]

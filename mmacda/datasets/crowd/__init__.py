"""Crowds with annotated heads, on MMEngine's root registry."""
from .crowd_dataset import CrowdDataset
from .shanghaitech import ShanghaiTech
from .synthetic_crowd import SyntheticCrowd

__all__ = ['CrowdDataset', 'ShanghaiTech', 'SyntheticCrowd']

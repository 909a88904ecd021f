"""Crowds with annotated heads, on MMEngine's root registry."""
from .boxes import BoxCounting
from .coco_counting import COCOCounting
from .crowd_dataset import CrowdDataset
from .nwpu_crowd import NWPUCrowd
from .shanghaitech import ShanghaiTech
from .synthetic_crowd import SyntheticCrowd
from .ucf_qnrf import UCFQNRF
from .voc_counting import VOCCounting

__all__ = [
    'BoxCounting', 'COCOCounting', 'CrowdDataset', 'NWPUCrowd',
    'ShanghaiTech', 'SyntheticCrowd', 'UCFQNRF', 'VOCCounting'
]

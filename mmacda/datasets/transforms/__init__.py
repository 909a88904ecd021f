"""Transforms on MMEngine's root registry."""
from .crowd_geometry import (RandomCropCrowd, RandomFlipCrowd,
                             RandomScaleCrowd, ResizeCrowd)
from .crowd_packing import PackCrowdInputs
from .density_map import GenerateDensityMap, density_map, head_pixels
from .fill_ignored import FillIgnoredRegions
from .keep_loaded import KeepLoaded
from .load_image_pair import LoadImagePair

__all__ = [
    'FillIgnoredRegions', 'GenerateDensityMap', 'KeepLoaded', 'LoadImagePair',
    'PackCrowdInputs', 'RandomCropCrowd', 'RandomFlipCrowd',
    'RandomScaleCrowd', 'ResizeCrowd', 'density_map', 'head_pixels'
]

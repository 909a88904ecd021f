"""Transforms on MMEngine's root registry."""
from .crowd_geometry import (RandomCropCrowd, RandomFlipCrowd,
                             RandomScaleCrowd, ResizeCrowd)
from .crowd_packing import PackCrowdInputs
from .density_map import GenerateDensityMap, density_map, head_pixels

__all__ = [
    'GenerateDensityMap', 'PackCrowdInputs', 'RandomCropCrowd',
    'RandomFlipCrowd', 'RandomScaleCrowd', 'ResizeCrowd', 'density_map',
    'head_pixels'
]

"""Transforms on MMEngine's root registry."""
from mmacda.structures import head_pixels
from .crowd_geometry import (RandomCropCrowd, RandomFlipCrowd,
                             RandomScaleCrowd, ResizeCrowd)
from .crowd_packing import PackCrowdInputs
from .density_map import GenerateDensityMap, density_map
from .grey_image import GreyImage
from .load_image_pair import LoadImagePair

__all__ = [
    'GenerateDensityMap', 'GreyImage', 'LoadImagePair', 'PackCrowdInputs',
    'RandomCropCrowd', 'RandomFlipCrowd', 'RandomScaleCrowd', 'ResizeCrowd',
    'density_map', 'head_pixels'
]

"""Transforms on MMEngine's root registry."""
from mmacda.structures import head_pixels
from .crowd_geometry import (RandomCropCrowd, RandomFlipCrowd,
                             RandomScaleCrowd, ResizeCrowd)
from .crowd_packing import PackCrowdInputs
from .density_map import GenerateDensityMap, density_map
from .fill_ignored import FillIgnoredRegions
from .grey_image import GreyImage
from .keep_loaded import KeepLoaded
from .load_image_pair import LoadImagePair
from .load_picture import LoadPicture
from .spoil_image import AddNoise, ReduceImage

__all__ = [
    'AddNoise', 'FillIgnoredRegions', 'GenerateDensityMap', 'GreyImage',
    'KeepLoaded', 'LoadImagePair', 'LoadPicture', 'PackCrowdInputs',
    'RandomCropCrowd', 'RandomFlipCrowd', 'RandomScaleCrowd', 'ReduceImage',
    'ResizeCrowd', 'density_map', 'head_pixels'
]

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

__all__ = [
    'FillIgnoredRegions', 'GenerateDensityMap', 'GreyImage', 'KeepLoaded',
    'LoadImagePair', 'LoadPicture', 'PackCrowdInputs', 'RandomCropCrowd',
    'RandomFlipCrowd', 'RandomScaleCrowd', 'ResizeCrowd', 'density_map',
    'head_pixels'
]

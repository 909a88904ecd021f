"""Transforms on MMEngine's root registry."""
from .load_image_pair import LoadImagePair

__all__ = ['LoadImagePair']

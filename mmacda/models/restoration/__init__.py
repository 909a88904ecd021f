"""Restoration: super-resolution and denoising (paper, Section 4.3)."""
from .acda_restorer import ACDARestorer

__all__ = ['ACDARestorer']

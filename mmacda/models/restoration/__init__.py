"""Restoration: super-resolution and denoising (paper, Section 4.3)."""
from .acda_restorer import ACDARestorer
from .builders import VariationalDenoiser
from .separate_clip import SeparateClipOptimWrapper
from .vdnet import VDNNoiseNet, VDNUNet

__all__ = [
    'ACDARestorer', 'SeparateClipOptimWrapper', 'VDNNoiseNet', 'VDNUNet',
    'VariationalDenoiser'
]

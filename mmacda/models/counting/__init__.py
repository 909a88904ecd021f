"""Crowd counting: backbone, density head, counter (paper, Section 4.2)."""
from .density_counter import DensityCounter
from .density_head import DensityHead

__all__ = ['DensityCounter', 'DensityHead']

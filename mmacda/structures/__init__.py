"""Data elements that datasets, models, metrics and visualizers exchange."""
from .counting_data_sample import CountingDataSample
from .density_map import density_map, head_pixels

__all__ = ['CountingDataSample', 'density_map', 'head_pixels']

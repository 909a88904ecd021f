"""Data elements that datasets, models, metrics and visualizers exchange."""
from .counting_data_sample import CountingDataSample

__all__ = ['CountingDataSample']

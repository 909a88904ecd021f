"""Metrics on MMEngine's root registry."""
from .restoration_metrics import RealSRMetric, SIDDMetric

__all__ = ['RealSRMetric', 'SIDDMetric']

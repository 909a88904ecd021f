"""Metrics on MMEngine's root registry."""
from .counting_metric import CountingMetric
from .restoration_metrics import RealSRMetric, SIDDMetric

__all__ = ['CountingMetric', 'RealSRMetric', 'SIDDMetric']

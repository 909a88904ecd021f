"""Metrics on MMEngine's root registry."""
from .counting_metric import CountingMetric

__all__ = ['CountingMetric']

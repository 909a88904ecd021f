"""Datasets on MMEngine's root registry."""
from .digits import Digits

__all__ = ['Digits']

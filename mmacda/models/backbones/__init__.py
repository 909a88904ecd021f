"""Backbones on MMEngine's root registry."""
from .lenet import ACDALeNet

__all__ = ['ACDALeNet']

"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet

__all__ = ['ACDALeNet']

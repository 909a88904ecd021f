"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet
from .replace_convs import ReplaceConvs

__all__ = ['ACDALeNet', 'ReplaceConvs']

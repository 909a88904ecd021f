"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet, AdResNet

__all__ = ['ACDALeNet', 'AdResNet']

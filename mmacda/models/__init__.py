"""Models made of adaptive convolutions."""
from .backbones import AdResNet

__all__ = ['AdResNet']

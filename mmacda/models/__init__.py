"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet, AdResNet
from .pattern_detector import PatternDetector

__all__ = ['ACDALeNet', 'AdResNet', 'PatternDetector']

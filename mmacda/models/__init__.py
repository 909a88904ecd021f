"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet
from .pattern_detector import PatternDetector

__all__ = ['ACDALeNet', 'PatternDetector']

"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet, AdResNet
from .counting import DensityCounter, DensityHead
from .pattern_detector import PatternDetector
from .replace_convs import ReplaceConvs

__all__ = [
    'ACDALeNet', 'AdResNet', 'DensityCounter', 'DensityHead',
    'PatternDetector', 'ReplaceConvs'
]

"""Models on MMEngine's root registry."""
from .backbones import ACDALeNet, AdResNet
from .counting import DensityCounter, DensityHead
from .losses import VariationalDenoisingLoss
from .pattern_detector import PatternDetector
from .replace_convs import ReplaceConvs
from .restoration import (ACDARestorer, SeparateClipOptimWrapper, VDNNoiseNet,
                          VDNUNet, VariationalDenoiser)
from .with_replaced_convs import WithReplacedConvs

__all__ = [
    'ACDALeNet', 'ACDARestorer', 'AdResNet', 'DensityCounter', 'DensityHead',
    'PatternDetector', 'ReplaceConvs', 'SeparateClipOptimWrapper',
    'VDNNoiseNet', 'VDNUNet', 'VariationalDenoiser',
    'VariationalDenoisingLoss', 'WithReplacedConvs'
]

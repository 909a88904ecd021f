"""Backbones on MMEngine's root registry."""
from .ad_resnet import AdResNet
from .lenet import ACDALeNet

__all__ = ['ACDALeNet', 'AdResNet']

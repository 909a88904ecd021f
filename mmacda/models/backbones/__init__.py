"""Backbones."""
from .ad_resnet import AdResNet

__all__ = ['AdResNet']

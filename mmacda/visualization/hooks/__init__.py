"""Hooks that show what models do while they train and are tested."""
from .coefficients import CoefficientVisualizationHook
from .counting import CountingVisualizationHook
from .restoration import RestorationVisualizationHook

__all__ = [
    'CoefficientVisualizationHook', 'CountingVisualizationHook',
    'RestorationVisualizationHook'
]

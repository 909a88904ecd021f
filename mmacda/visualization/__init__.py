"""Pictures: what the layer does and what came out."""
from .counting_hook import CountingVisualizationHook

__all__ = ['CountingVisualizationHook']

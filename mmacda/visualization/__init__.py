"""Pictures: what the layer does and what came out."""
from .capture import CapturedLayer, CoefficientCapture, find_layers
from .coefficients import (atoms_of, basis_scales, compose_filters,
                           scale_energies, similar_pixels, tap_energy)
from .diversity import intra_image_distance
from .hooks import (CoefficientVisualizationHook, CountingVisualizationHook,
                    RestorationVisualizationHook)
from .receptive_field import effective_receptive_field

__all__ = [
    'CapturedLayer', 'CoefficientCapture', 'CoefficientVisualizationHook',
    'CountingVisualizationHook', 'RestorationVisualizationHook', 'atoms_of',
    'basis_scales', 'compose_filters', 'effective_receptive_field',
    'find_layers', 'intra_image_distance', 'scale_energies', 'similar_pixels',
    'tap_energy'
]

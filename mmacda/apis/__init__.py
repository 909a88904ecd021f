"""Entry points for users of the frameworks."""
from .crowd_counting_inferencer import CrowdCountingInferencer
from .model_hub import register_models
from .restoration_inferencer import RestorationInferencer

__all__ = [
    'CrowdCountingInferencer', 'RestorationInferencer', 'register_models'
]

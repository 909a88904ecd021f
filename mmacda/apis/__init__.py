"""Entry points for users of the frameworks."""
from .crowd_counting_inferencer import CrowdCountingInferencer
from .model_hub import register_models
from .packaged_models import list_models, model_card
from .restoration_inferencer import RestorationInferencer

__all__ = [
    'CrowdCountingInferencer', 'RestorationInferencer', 'list_models',
    'model_card', 'register_models'
]

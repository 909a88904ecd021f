"""Entry points for users of the frameworks."""
from .model_hub import register_models
from .restoration_inferencer import RestorationInferencer

__all__ = ['RestorationInferencer', 'register_models']

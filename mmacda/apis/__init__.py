"""Entry points for users of the frameworks."""
from .crowd_counting_inferencer import CrowdCountingInferencer
from .model_hub import register_models

__all__ = ['CrowdCountingInferencer', 'register_models']

"""Entry points for users of the frameworks."""
from .model_hub import register_models

__all__ = ['register_models']

"""The filter explorer: one web page about one image and one model."""
from .page import write_explorer

__all__ = ['write_explorer']

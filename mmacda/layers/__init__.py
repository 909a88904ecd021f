"""Layers that are usable without any config."""
from .acda_conv import ACDAConv
from .atom_generator import AtomGenerator

__all__ = ['ACDAConv', 'AtomGenerator']

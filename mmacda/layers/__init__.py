"""Layers that are usable without any config."""
from .acda_conv import ACDAConv
from .atom_generator import AtomGenerator
from .replace import replace_convs

__all__ = ['ACDAConv', 'AtomGenerator', 'replace_convs']

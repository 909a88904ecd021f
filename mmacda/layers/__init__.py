"""Layers that are usable without any config."""
from .acda_conv import ACDAConv
from .atom_generator import AtomGenerator
from .cond_conv import CondConv
from .dfn_conv import DFNConv
from .dynamic_conv import DynamicConv, DynamicConvTemperatureHook
from .replace import replace_convs

__all__ = [
    'ACDAConv', 'AtomGenerator', 'CondConv', 'DFNConv', 'DynamicConv',
    'DynamicConvTemperatureHook', 'replace_convs'
]

"""Checkpoints that survive a kill, and errors that say what is wrong."""
from .files import WholeFileBackend, is_whole, load_from_local
from .hook import WholeCheckpointHook

__all__ = [
    'WholeCheckpointHook', 'WholeFileBackend', 'is_whole', 'load_from_local'
]

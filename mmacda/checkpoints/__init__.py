"""Checkpoints that survive a kill, and errors that say what is wrong."""
from .files import WholeFileBackend, is_whole
from .hook import WholeCheckpointHook
from .loading import load_checkpoint, load_from_local
from .safe_loading import training_checkpoints_allowed

__all__ = [
    'WholeCheckpointHook', 'WholeFileBackend', 'is_whole', 'load_checkpoint',
    'load_from_local', 'training_checkpoints_allowed'
]

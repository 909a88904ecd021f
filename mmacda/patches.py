"""Importing this module turns all of :mod:`mmacda.replacements` on.

In a config: ``custom_imports = dict(imports=['mmacda', 'mmacda.patches'],
allow_failed_imports=False)``. For one of them, call its function instead.
"""
from .replacements import (allow_amp_on_cpus, allow_training_checkpoints,
                           load_local_checkpoints_with_clear_errors,
                           write_checkpoints_whole)

__all__ = [
    'allow_amp_on_cpus', 'allow_training_checkpoints',
    'load_local_checkpoints_with_clear_errors', 'write_checkpoints_whole'
]

allow_amp_on_cpus()
allow_training_checkpoints()
load_local_checkpoints_with_clear_errors()
write_checkpoints_whole()

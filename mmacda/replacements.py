"""What can replace something of MMEngine's, by a function each.

Importing this module does nothing; ``import mmacda.patches`` calls all of
them. Each may be called by itself, again, and for the whole process. Each
returns a function that puts back what was there before.
"""
from functools import partial, wraps
from typing import Any, Callable

from mmengine.fileio import get_file_backend, register_backend
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import CheckpointLoader

from .checkpoints import (WholeFileBackend, load_from_local,
                          training_checkpoints_allowed)
from .optim import AnyDeviceAmpOptimWrapper

Undo = Callable[[], Any]


def allow_amp_on_cpus() -> Undo:
    """``AmpOptimWrapper`` of the registry, by AnyDeviceAmpOptimWrapper.

    MMEngine's asserts that there is an accelerator (open-mmlab/mmpretrain
    #1556), although PyTorch's autocast works on CPUs, and the frameworks'
    ``--amp`` writes its name.
    """
    return _register_amp(AnyDeviceAmpOptimWrapper)


def _register_amp(wrapper: type) -> Undo:
    before = OPTIM_WRAPPERS.get('AmpOptimWrapper')
    OPTIM_WRAPPERS.register_module(
        name='AmpOptimWrapper', module=wrapper, force=True)
    return partial(_register_amp, before)


def write_checkpoints_whole() -> Undo:
    """The local file backend, by WholeFileBackend.

    MMEngine's writes a checkpoint into its final file: a kill or a full disk
    leaves a part of it under the name that the next resume opens.
    WholeCheckpointHook needs no replacement for its own files.
    """
    return _register_local(WholeFileBackend)


def _register_local(backend: type) -> Undo:
    before = type(get_file_backend('file'))
    register_backend('local', backend, force=True, prefixes='')
    return partial(_register_local, before)


def load_local_checkpoints_with_clear_errors() -> Undo:
    """The loader of local checkpoints, by load_from_local.

    ``torch.load`` tells of a truncated or foreign file by what its reader
    stumbled over, without the file's name.
    """
    return _register_loader(load_from_local)


def _register_loader(loader: Callable) -> Undo:
    before = CheckpointLoader._get_checkpoint_loader('file')
    CheckpointLoader.register_scheme('', loader, force=True)
    return partial(_register_loader, before)


def allow_training_checkpoints() -> Undo:
    """``CheckpointLoader.load_checkpoint``, by one that reads its own files.

    Since torch 2.6 ``torch.load`` refuses the logging history in MMEngine
    0.10's checkpoints (open-mmlab/mmengine #1655), and any numbers of
    numpy; those of numpy 1 and 2 have different names. PyTorch's list of safe
    names is longer during such a load alone.
    """
    before = CheckpointLoader.__dict__['load_checkpoint']

    @wraps(before.__func__)
    def load_checkpoint(cls, *args: Any, **kwargs: Any) -> dict:
        with training_checkpoints_allowed():
            return before.__func__(cls, *args, **kwargs)

    if not getattr(before.__func__, 'reads_trainings', False):
        load_checkpoint.reads_trainings = True
        CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    return partial(setattr, CheckpointLoader, 'load_checkpoint', before)

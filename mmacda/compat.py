"""The few lines that keep OpenMMLab working on current PyTorch."""
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version


def _history_method(owner: type, name: str):
    """The one use of ``getattr`` in MMEngine's checkpoints."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current',
                                                  'mean'):
        raise UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(owner, name)


def allow_training_checkpoints() -> None:
    """Let the safe loader read what MMEngine puts into checkpoints.

    Since torch 2.6 ``torch.load`` refuses classes that it does not know, and
    MMEngine 0.10's checkpoints carry their logging history (mmengine issue
    1655). Exactly these classes are allowed, and of the history its four
    methods, which are pickled by ``getattr``; the loader stays safe.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    core = np.core if np.lib.NumpyVersion(np.__version__) < '2.0.0' \
        else np._core
    dtypes = [type(np.dtype(t)) for t in ('f2', 'f4', 'f8', 'i4', 'i8')]
    torch.serialization.add_safe_globals([
        HistoryBuffer, core.multiarray._reconstruct,
        core.multiarray.scalar, np.ndarray, np.dtype, *dtypes,
        (_history_method, 'builtins.getattr')
    ])


allow_training_checkpoints()

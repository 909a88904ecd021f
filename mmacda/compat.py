"""The few lines that keep OpenMMLab working on current PyTorch."""
import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer


def allow_training_checkpoints() -> None:
    """Let the safe loader read what MMEngine puts into checkpoints.

    Since torch 2.6 ``torch.load`` refuses classes that it does not know, and
    MMEngine 0.10's checkpoints carry their logging history (mmengine issue
    1655). Exactly these classes are allowed; the loader stays safe.
    """
    if not hasattr(torch.serialization, 'add_safe_globals'):  # torch < 2.4
        return
    core = np.core if np.lib.NumpyVersion(np.__version__) < '2.0.0' \
        else np._core
    dtypes = [type(np.dtype(t)) for t in ('f2', 'f4', 'f8', 'i4', 'i8')]
    torch.serialization.add_safe_globals([
        HistoryBuffer, core.multiarray._reconstruct,
        core.multiarray.scalar, np.ndarray, np.dtype, *dtypes
    ])


allow_training_checkpoints()

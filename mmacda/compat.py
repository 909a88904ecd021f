"""The few lines that keep OpenMMLab working on current PyTorch."""
import warnings
from importlib.metadata import PackageNotFoundError, version
from pickle import UnpicklingError
from typing import Any, Dict, List, Tuple

import mmcv
import mmengine
import numpy as np
import torch
from mmengine.device import (is_cuda_available, is_mlu_available,
                             is_npu_available)
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.utils import digit_version

# From this version, below that one: what the tests were run with lies inside.
PROVEN: Dict[str, Tuple[str, str]] = dict(
    torch=('2.1', '2.14'),
    mmengine=('0.10.3', '0.11'),
    mmcv=('2.0', '2.3'),
    mmpretrain=('1.2', '2.0'),
    mmagic=('1.2', '2.0'))


def installed_versions() -> Dict[str, str]:
    """Versions of the packages in ``PROVEN``, without importing more."""
    found = dict(
        torch=torch.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__)
    for package in ('mmpretrain', 'mmagic'):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def unproven_versions(found: Dict[str, str]) -> List[str]:
    """What to say of versions outside of ``PROVEN``; nothing is refused."""
    messages = []
    for package, given in found.items():
        low, high = PROVEN[package]
        if not digit_version(low) <= digit_version(given) < digit_version(
                high):
            messages.append(
                f'mmacda is proven with {package} >= {low}, < {high}, but '
                f'{given} is installed; it may work')
    return messages


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


@OPTIM_WRAPPERS.register_module(name='AmpOptimWrapper', force=True)
class AnyDeviceAmpOptimWrapper(AmpOptimWrapper):
    """MMEngine's AmpOptimWrapper, on a CPU as well.

    MMEngine 0.10 refuses mixed precision without an accelerator, although its
    autocast and PyTorch's support bfloat16 on a CPU, and the frameworks'
    ``--amp`` names this type. With an accelerator nothing changes. On a CPU
    the default dtype is bfloat16, whose range needs no loss scaling.

    Args:
        loss_scale (str | float | dict): Not used on a CPU.
            Default: 'dynamic'.
        dtype (str | torch.dtype, optional): Autocast dtype. Default: None.
        use_fsdp (bool): Whether the model is wrapped by FSDP.
            Default: False.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.
    """

    def __init__(self,
                 loss_scale: Any = 'dynamic',
                 dtype: Any = None,
                 use_fsdp: bool = False,
                 **kwargs: Any):
        if is_cuda_available() or is_npu_available() or is_mlu_available():
            super().__init__(
                loss_scale=loss_scale,
                dtype=dtype,
                use_fsdp=use_fsdp,
                **kwargs)
            return
        OptimWrapper.__init__(self, **kwargs)
        if isinstance(dtype, str):
            if dtype not in self.valid_dtypes:
                raise ValueError(f'dtype must be one of {self.valid_dtypes}, '
                                 f'but got {dtype!r}')
            dtype = getattr(torch, dtype)
        self.cast_dtype = dtype or torch.bfloat16
        self._scale_update_param = None
        scaler = getattr(torch.amp, 'GradScaler', torch.cuda.amp.GradScaler)
        self.loss_scaler = scaler(enabled=False)


allow_training_checkpoints()
for _message in unproven_versions(installed_versions()):
    warnings.warn(_message, stacklevel=2)

"""The few lines that keep OpenMMLab working on current PyTorch."""
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from mmengine.device import (get_device, is_cuda_available, is_mlu_available,
                             is_npu_available)
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
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


@OPTIM_WRAPPERS.register_module(name='AmpOptimWrapper', force=True)
class AnyDeviceAmpOptimWrapper(AmpOptimWrapper):
    """MMEngine's AmpOptimWrapper, on a CPU as well.

    MMEngine 0.10 refuses mixed precision without an accelerator, although
    PyTorch's autocast supports half types on a CPU, and the frameworks'
    ``--amp`` names this type. With an accelerator nothing changes. On a CPU
    the default dtype is bfloat16, whose range needs no loss scaling; float16
    is scaled as on a GPU, and needs torch 2.3.

    Args:
        loss_scale (str | float | dict): 'dynamic', a fixed scale, or
            arguments of PyTorch's GradScaler. Default: 'dynamic'.
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
        fixed = isinstance(loss_scale, float)
        self._scale_update_param = loss_scale if fixed else None
        self.loss_scaler = _cpu_scaler(
            dict(init_scale=loss_scale) if fixed else loss_scale,
            self.cast_dtype == torch.float16)

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Autocast; MMEngine's refuses float16 on a CPU."""
        if self.cast_dtype != torch.float16 or get_device() != 'cpu':
            with super().optim_context(model):
                yield
            return
        with OptimWrapper.optim_context(self, model), \
                torch.autocast('cpu', dtype=torch.float16):
            yield


def _cpu_scaler(options: Any, enabled: bool):
    if options == 'dynamic':
        options = dict()
    if not isinstance(options, dict):
        raise TypeError("loss_scale must be a float, a dict or 'dynamic', but "
                        f'got {options!r}')
    if hasattr(torch.amp, 'GradScaler'):  # torch >= 2.3
        return torch.amp.GradScaler('cpu', **{'enabled': enabled, **options})
    if enabled:
        raise ValueError('float16 on a CPU needs torch 2.3 for its gradient '
                         "scaler: use dtype='bfloat16'")
    return torch.cuda.amp.GradScaler(enabled=False)


allow_training_checkpoints()

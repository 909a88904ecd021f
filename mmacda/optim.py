"""Mixed precision without an accelerator."""
from contextlib import contextmanager
from typing import Any

import mmengine.device
import torch
import torch.nn as nn
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AnyDeviceAmpOptimWrapper(AmpOptimWrapper):
    """MMEngine's AmpOptimWrapper, on a CPU as well.

    MMEngine 0.10 refuses mixed precision without an accelerator, although
    PyTorch's autocast supports half types on a CPU. With an accelerator
    nothing changes. On a CPU the default dtype is bfloat16, whose range needs
    no loss scaling; float16 is scaled as on a GPU, and needs torch 2.3.

    The frameworks' ``--amp`` names MMEngine's type:
    :func:`mmacda.replacements.allow_amp_on_cpus` puts this one in its place.

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
        if _has_accelerator():
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
        if not (dtype is None or isinstance(dtype, torch.dtype)):
            raise TypeError(f'dtype must be a torch.dtype or one of '
                            f'{self.valid_dtypes}, but got {dtype!r}')
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


def _has_accelerator() -> bool:
    """One of those that MMEngine's AmpOptimWrapper serves."""
    return any(
        getattr(mmengine.device, f'is_{kind}_available', bool)()
        for kind in ('cuda', 'npu', 'mlu', 'musa'))


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

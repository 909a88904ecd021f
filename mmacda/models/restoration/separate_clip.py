"""Gradient clipping as VDNet's training does it."""
import math
from typing import Any, Dict, List

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer


@OPTIM_WRAPPERS.register_module()
class SeparateClipOptimWrapper(OptimWrapper):
    """Clips the gradients of several networks separately, ever tighter.

    After every ``tighten_interval`` updates, each network's limit becomes the
    mean norm of its gradients before clipping in these updates, if that is
    less. Limits and means are part of the checkpoint. Without mixed
    precision.

    Args:
        optimizer (Optimizer): Built from the config, with
            ``paramwise_cfg=dict(custom_keys=...)`` that gives every parameter
            its ``clip_group``.
        clip_grad (Dict[str, float]): First limit of the gradient's 2-norm for
            each ``clip_group``.
        tighten_interval (int): Updates; 0 to keep the limits.
            Default: 5000, an epoch of VDNet's training.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: If parameters lack a group or a group has no limit.

    Example:
        >>> optim_wrapper = dict(
        ...     type='SeparateClipOptimWrapper',
        ...     optimizer=dict(type='Adam', lr=2e-4),
        ...     clip_grad=dict(denoiser=1e4, noise=1e3),
        ...     paramwise_cfg=dict(
        ...         custom_keys={
        ...             'generator.': dict(clip_group='denoiser'),
        ...             'noise_net.': dict(clip_group='noise')
        ...         }))
    """

    def __init__(self,
                 optimizer: Optimizer,
                 clip_grad: Dict[str, float],
                 tighten_interval: int = 5000,
                 **kwargs: Any):
        super().__init__(optimizer, **kwargs)
        found = {group.get('clip_group') for group in optimizer.param_groups}
        if None in found:
            raise ValueError('some parameters have no clip_group: every entry '
                             'of paramwise_cfg.custom_keys needs one, and '
                             'the entries must match all parameters')
        if found != set(clip_grad):
            raise ValueError(f'clip_grad has limits for {sorted(clip_grad)}, '
                             f'but the clip_groups are {sorted(found)}')
        # Also tells the base class to clip.
        self.clip_grad_kwargs = dict(clip_grad)
        self.tighten_interval = tighten_interval
        self._sums = dict.fromkeys(clip_grad, 0.)
        self._updates = 0

    def _parameters(self, name: str) -> List[Tensor]:
        return [
            parameter for group in self.optimizer.param_groups
            if group['clip_group'] == name for parameter in group['params']
            if parameter.grad is not None
        ]

    def _clip_grad(self) -> None:
        for name, limit in self.clip_grad_kwargs.items():
            norm = float(clip_grad_norm_(self._parameters(name), limit))
            self._sums[name] += norm
            self.message_hub.update_scalar(f'train/grad_norm_{name}', norm)
        self._updates += 1
        if self._updates == self.tighten_interval:
            self._tighten()

    def _tighten(self) -> None:
        for name, total in self._sums.items():
            mean = total / self._updates
            if math.isfinite(mean):
                self.clip_grad_kwargs[name] = min(self.clip_grad_kwargs[name],
                                                  mean)
        self._sums = dict.fromkeys(self._sums, 0.)
        self._updates = 0

    def state_dict(self) -> dict:
        """The optimizer's state, and that of the clipping."""
        state = super().state_dict()
        state['clipping'] = dict(
            limits=dict(self.clip_grad_kwargs),
            sums=dict(self._sums),
            updates=self._updates)
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Load what :meth:`state_dict` gave, or an optimizer's state."""
        state = dict(state_dict)
        clipping = state.pop('clipping', None)
        super().load_state_dict(state)
        if clipping is not None:
            self.clip_grad_kwargs = dict(clipping['limits'])
            self._sums = dict(clipping['sums'])
            self._updates = clipping['updates']

"""A word where a training setup leaves adaptive layers as they were born."""
import inspect
import warnings
from typing import Any, List, Optional

import torch.nn as nn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

MAX_NAMES = 5


class Untouched:
    """Whether a parameter was written to since this object was made.

    By PyTorch's counter of in-place changes, which loading and optimizers
    raise. Where it cannot tell (a copied module, inference tensors), a
    parameter counts as written to.
    """

    def __init__(self, parameter: Tensor):
        self._version = _version(parameter)

    def __call__(self, parameter: Tensor) -> bool:
        return self._version is not None \
            and self._version == _version(parameter)


def _version(tensor: Tensor) -> Optional[int]:
    try:
        return tensor._version
    except RuntimeError:  # an inference tensor
        return None


def is_frozen_at_random(layer: Any) -> bool:
    """Whether an ACDAConv has no gradient and its first, random weights."""
    return not layer.weight.requires_grad and layer.untouched(layer.weight)


def has_unseen_norms(layer: Any, norm_eval: bool = False) -> bool:
    """Whether an ACDAConv trains with generator norms that do not.

    They have never seen a batch (mean 0, variance 1), and are in eval mode, or
    will be as soon as a module around the layer has done what its
    ``norm_eval`` says.
    """
    if layer.atom_generator is None or not (
            layer.weight.requires_grad if norm_eval else layer.training):
        return False
    return any(
        isinstance(norm, _BatchNorm) and (norm_eval or not norm.training)
        and norm.num_batches_tracked is not None
        and not norm.num_batches_tracked.is_meta
        and not norm.num_batches_tracked.item()
        for norm in layer.atom_generator.modules())


def warn_of_untrained(module: nn.Module) -> None:
    """Name the adaptive layers that cannot learn what they should, once.

    Args:
        module (nn.Module): A model on its way into training, or a part of
            one; names are those in the outermost module whose ``train()``
            is running.
    """
    if not any(_is_suspect(part) or _is_suspect(part, True)
               for part in module.modules()):
        return
    around = _running_around(module)
    model = around[-1]
    # Backbones of OpenMMLab's turn norms to eval when the layers' own
    # `train()` has returned.
    to_eval = {part for owner in around if getattr(owner, 'norm_eval', False)
               for part in owner.modules()}
    suspects = [(name, layer) for name, layer in model.named_modules()
                if _is_suspect(layer, layer in to_eval)]
    frozen = [name for name, layer in suspects if is_frozen_at_random(layer)]
    unseen = [name for name, layer in suspects if name not in frozen]
    for _, layer in suspects:
        layer.warned_untrained = True
    if frozen:
        warnings.warn(
            f'{_listed(frozen)} frozen, but neither loaded nor trained: the '
            'filters stay random. Load weights that hold adaptive layers, '
            'freeze fewer stages, or start from pretrained convolutions with '
            "WithReplacedConvs and init='project'",
            stacklevel=3)
    if unseen:
        warnings.warn(
            f'{_listed(unseen)} trained with generator norms in eval mode '
            '(norm_eval=True) that have never seen a batch: their statistics '
            'stay at mean 0 and variance 1. Load trained weights, or choose a '
            'norm without statistics by atom_generator=dict(norm_cfg=dict('
            "type='GN', num_groups=2)) in acda_cfg or conv_cfg",
            stacklevel=3)


def _is_suspect(module: nn.Module, norm_eval: bool = False) -> bool:
    return hasattr(module, 'untouched') and not module.warned_untrained and (
        is_frozen_at_random(module) or has_unseen_norms(module, norm_eval))


def _listed(names: List[str]) -> str:
    more = len(names) - MAX_NAMES
    text = ', '.join(name or 'the layer' for name in names[:MAX_NAMES])
    text += f' and {more} more' if more > 0 else ''
    return f'adaptive layer{"s" * (len(names) > 1)} {text} ' \
        f'{"are" if len(names) > 1 else "is"}'


def _running_around(module: nn.Module) -> List[nn.Module]:
    """The modules whose methods are running around one, from it outwards.

    A module does not know its parents, but ``train()`` goes through them.
    """
    around = [module]
    frame = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get('self')
        if isinstance(owner, nn.Module) and any(
                part is around[-1] for part in owner.modules()):
            around.append(owner)
        frame = frame.f_back
    return around

"""Adaptive layers in any model, from a config: the old form."""
import warnings
from os import PathLike
from typing import Any, Sequence, Set

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmengine.runner import load_checkpoint

from ..checkpoints import training_checkpoints_allowed
from ..layers.generator_forms import RECOMMENDED_CONV
from ..layers.replace import replace_convs
from .quiet_init import init_quietly


@MODELS.register_module()
def ReplaceConvs(model: dict,
                 conv_cfg: dict = RECOMMENDED_CONV,
                 include: Any = None,
                 exclude: Any = None,
                 predicate: Any = None,
                 init: Any = None,
                 checkpoint: Any = None,
                 **kwargs: Any) -> nn.Module:
    """Build a model through the registry and replace its convolutions.

    Deprecated: :func:`.with_replaced_convs.WithReplacedConvs` leaves the keys
    of the model's config in their places and reads no weights when a model is
    built. This one goes with the next release.

    Returns the original model's own class, so that runners, hooks and tools
    of its framework work as before. The original first gets its framework's
    initialization (``Pretrained`` included), then the checkpoint, then the new
    layers; a later ``init_weights()``, such as the Runner's, changes nothing.
    ``load_from`` and ``resume`` take checkpoints of the converted model.

    Args:
        model (dict): The original model. Wrap the whole model, not its
            backbone: an outer model's ``init_cfg`` reaches into it.
        conv_cfg (dict): See :func:`mmacda.layers.replace_convs`, as for
            ``include``, ``exclude``, ``predicate`` and ``init``.
            Default: dict(type='ACDAConv', atom_generator='medium').
        include (str | Sequence[str], optional): Default: None.
        exclude (str | Sequence[str], optional): Default: None.
        predicate (Callable, optional): Default: None.
        init (str, optional): Default: None.
        checkpoint (str | dict, optional): Weights of the original model, a
            file or URL, or the arguments of
            :func:`mmengine.runner.load_checkpoint`: ``filename``,
            ``strict``, ``revise_keys``, ... Default: None.
        **kwargs: Keys for the original model's config, such as the
            ``data_preprocessor`` that the Runner adds. The original's own
            ``data_preprocessor`` comes first, as in the Runner.

    Returns:
        nn.Module: The converted original model.

    Raises:
        ValueError: If nothing was replaced, a key stands in both configs, or
            the checkpoint has no weights for a replaced convolution.

    Example:
        >>> model = dict(
        ...     type='ReplaceConvs',
        ...     model=dict(type='mmpretrain.ResNet', depth=18),
        ...     include=r'layer[34].*conv2',
        ...     conv_cfg=dict(type='ACDAConv', scales=(3, 5, 7)))
    """
    warnings.warn(
        'ReplaceConvs is deprecated: on top of the inherited config, without '
        "_delete_, write model=dict(type='WithReplacedConvs', original=<its "
        "type>, replace=dict(conv_cfg=..., include=..., init=..., "
        'checkpoint=...))',
        FutureWarning,
        stacklevel=2)
    model = _build_original(model, kwargs)
    loaded = load_original(model, checkpoint) if checkpoint else None
    report = replace_convs(model, conv_cfg, include, exclude, predicate, init)
    print_log(f'ReplaceConvs:\n{report}', logger='current')
    if not report.replaced:
        raise ValueError(f'no convolution was replaced:\n{report}')
    if checkpoint:
        check_loaded([record.name for record in report.replaced], loaded,
                     checkpoint)
    mark_initialized(model)
    return model


def mark_initialized(model: nn.Module) -> None:
    """Let later calls of ``init_weights()`` change nothing."""
    for module in model.modules():
        if isinstance(module, BaseModule):
            module.is_init = True
    # Some models' own init_weights() does not ask whether it ran before.
    model.init_weights = _initialized


def _initialized() -> None:
    """``init_weights()`` of a model that holds its weights already."""


def _build_original(model: dict, extra: dict) -> nn.Module:
    if 'data_preprocessor' in model:
        extra.pop('data_preprocessor', None)
    both = sorted(set(extra) & set(model))
    if both:
        raise ValueError(
            f'{", ".join(both)} stands beside and inside the config of the '
            f'original model: set model.model.{both[0]} instead')
    original = MODELS.build({**model, **extra})
    init_quietly(original)
    return original


def load_original(model: nn.Module, checkpoint: Any) -> Set[str]:
    """Load, and name the modules whose weight the checkpoint holds."""
    options = dict(filename=checkpoint) if isinstance(
        checkpoint, (str, PathLike)) else dict(checkpoint)
    options.setdefault('map_location', 'cpu')
    weights = {
        name[:-len('.weight')]: (parameter, parameter._version)
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if name.endswith('.weight')
    }
    with training_checkpoints_allowed():
        load_checkpoint(model, logger='current', **options)
    return {
        name
        for name, (parameter, version) in weights.items()
        if parameter._version > version
    }


def check_loaded(replaced: Sequence[str], loaded: Set[str],
                 checkpoint: Any) -> None:
    """Raise a ValueError unless all that was replaced was loaded before."""
    absent = [name for name in replaced if name not in loaded]
    if absent:
        raise ValueError(
            f'checkpoint={checkpoint!r} has no weights of the right shape for '
            f'{len(absent)} of the {len(replaced)} replaced '
            f'convolutions, {absent[0]!r} the first. It must be one of the '
            'original model (load_from takes one of the converted model). If '
            'only its names differ, use checkpoint=dict(filename=..., '
            "revise_keys=[(pattern, replacement)]), for example "
            r"[(r'^', 'backbone.')]")

"""Adaptive layers in any model, on top of its own config."""
import dataclasses
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.registry import MODELS

from ..layers.arguments import check_keys
from ..layers.replace import Replacement, check_init, replace_and_keep
from ..layers.replace_report import ReplaceReport
from .replace_convs import check_loaded, load_original, mark_initialized

OPTIONS = ('conv_cfg', 'include', 'exclude', 'predicate', 'init', 'checkpoint')


@MODELS.register_module()
def WithReplacedConvs(original: Any,
                      replace: Optional[dict] = None,
                      **model: Any) -> nn.Module:
    """Build a model from its own keys and replace its convolutions.

    It goes on top of an inherited config, without ``_delete_``: all keys of
    the model stay where its framework's tools look for them. The model's own
    class is returned. Nothing is read when it is built: ``init_weights()``,
    which the Runner calls before training alone, gives the original its
    framework's initialization (``Pretrained`` included), then the checkpoint,
    and then fills the new layers. ``load_from``, ``resume`` and inference
    take checkpoints of the converted model.

    Args:
        original (str | type): Type of the original model. Replace in the
            whole model, not in its backbone: an outer model's ``init_cfg``
            reaches into it.
        replace (dict, optional): ``conv_cfg``, ``include``, ``exclude``,
            ``predicate`` and ``init`` of :func:`mmacda.layers.replace_convs`,
            and ``checkpoint``, weights of the original model: a file or URL,
            or the arguments of :func:`mmengine.runner.load_checkpoint`:
            ``filename``, ``strict``, ``revise_keys``, ...
            Default: None, every convolution that can be.
        **model: The keys of the original model.

    Returns:
        nn.Module: The converted original model.

    Raises:
        TypeError: If ``original`` is no type, or ``replace`` has an unknown
            key.
        ValueError: If nothing was replaced; in ``init_weights()`` if the
            checkpoint has no weights for a replaced convolution.

    Example:
        >>> _base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
        >>> model = dict(
        ...     type='WithReplacedConvs',
        ...     original='ImageClassifier',
        ...     replace=dict(include=r'layer[34].*conv2', init='project'))
    """
    if isinstance(original, dict):
        raise TypeError('original must be the type of the model, whose keys '
                        f'stand beside it, but got a dict: {original}')
    options = dict(replace or {})
    check_keys('replace', options, OPTIONS)
    check_init(options.get('init'))
    init = options.pop('init', None)
    checkpoint = options.pop('checkpoint', None)
    converted = MODELS.build({**model, 'type': original})
    report, replacements = replace_and_keep(converted, **options)
    print_log(f'WithReplacedConvs:\n{report}', logger='current')
    if not replacements:
        raise ValueError(f'no convolution was replaced:\n{report}')
    converted.init_weights = _Start(converted, report, replacements, init,
                                    checkpoint)
    return converted


class _Start:
    """``init_weights()`` of a converted model, once.

    An object and no closure, so that it is copied and saved with its model.
    """

    def __init__(self, model: nn.Module, report: ReplaceReport,
                 replacements: List[Replacement], init: Optional[str],
                 checkpoint: Any):
        self.model = model
        self.report = report
        self.replacements = replacements
        self.init = init
        self.checkpoint = checkpoint

    def __call__(self) -> None:
        with self._original() as model:
            if hasattr(type(model), 'init_weights'):
                type(model).init_weights(model)
            if self.checkpoint:
                check_loaded([r.name for r in self.replacements],
                             load_original(model, self.checkpoint),
                             self.checkpoint)
        energies = [r.start(self.init) for r in self.replacements]
        if self.init is not None:
            records = [
                dataclasses.replace(record, energy=energy)
                for record, energy in zip(self.report.replaced, energies)
            ]
            print_log(
                f'init={self.init!r}:\n{ReplaceReport(records)}',
                logger='current')
        mark_initialized(self.model)

    @contextmanager
    def _original(self) -> Iterator[nn.Module]:
        """The model with its own convolutions.

        The optimizer holds the new layers' parameters already, so that these
        are filled in place and put back.
        """
        # What MMEngine tells of each parameter, if an outer model calls.
        info = getattr(self.model, '_params_init_info', None)
        for replacement in self.replacements:
            conv, weight = replacement.conv, replacement.layer.weight
            conv.to(weight.device, weight.dtype)
            replacement.put(conv)
            if info is not None:
                conv._params_init_info = info
                for parameter in conv.parameters():
                    info[parameter].update(
                        init_info='a convolution that is replaced',
                        tmp_mean_value=parameter.data.mean().cpu())
        try:
            yield self.model
        finally:
            for replacement in self.replacements:
                replacement.put(replacement.layer)
                vars(replacement.conv).pop('_params_init_info', None)

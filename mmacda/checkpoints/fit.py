"""Whether a checkpoint belongs to a model."""
import re
from typing import Any, Dict, List, Optional

import torch.nn as nn
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ..layers import AtomGenerator
from ..layers.bases import tell_difference
from ..layers.bases_keeper import EXTRA_STATE, BasesKeeper
from ..layers.generator_forms import tell_form

SHOWN = 3


def check_fit(model: nn.Module, checkpoint: dict, purpose: str) -> None:
    """Refuse a checkpoint of another model.

    MMEngine warns of weights that do not fit and goes on with initial ones,
    also where a training resumes.

    Args:
        model (nn.Module): The model that is going to load the checkpoint.
        checkpoint (dict): MMEngine's, or a bare ``state_dict``.
        purpose (str): 'resume': all weights must fit, and the training's
            state must be there. 'test': every part of the model
            (``backbone``, ``head``, ...) must fit or be absent, and one must
            fit. 'train': one weight must fit.

    Raises:
        ValueError: If it does not fit; with what is missing or different.
    """
    while isinstance(model, (DistributedDataParallel, BaseTTAModel)):
        model = model.module
    if is_model_wrapper(model):
        return  # which holds shards
    if any(m._load_state_dict_pre_hooks for m in model.modules()):
        return  # which may rename anything
    if purpose == 'resume':
        _check_training_state(checkpoint)
    own = _shapes(model.state_dict())
    given = _shapes(checkpoint.get('state_dict', checkpoint))
    faults = [
        f'{name} is {given[name]} in place of {shape}'
        if name in given else f'{name} is missing'
        for name, shape in own.items() if given.get(name) != shape
    ]
    form = _tell_form(model, checkpoint)
    if own and len(faults) == len(own):
        _refuse('no weight of it fits', faults, form)
    if purpose == 'resume':
        faults += [f'{name} is not in the model' for name in given
                   if name not in own]
    elif purpose == 'test':
        parts = {_part(name) for name in given}
        faults = [fault for fault in faults if _part(fault) in parts]
    else:
        faults = []
    if faults:
        _refuse(f'{len(faults)} of its weights do not fit', faults, form)


def check_bases(model: nn.Module, checkpoint: dict) -> None:
    """Refuse weights that were trained with other bases than the model's.

    They have the same names and shapes, so that they load, and mean something
    else. MMEngine tells of it, and goes on.

    Args:
        model (nn.Module): The model that is going to load the checkpoint.
        checkpoint (dict): MMEngine's, or a bare ``state_dict``.

    Raises:
        ValueError: If the bases differ; with the layers and both bases.
    """
    given = _weights(checkpoint)
    faults = []
    for name, layer in model.named_modules():
        if isinstance(layer, BasesKeeper):
            name = _without_wrappers(name)
            fault = tell_difference(
                name, layer.bases, given.get(_prefix(name) + EXTRA_STATE))
            if fault:
                faults.append(fault)
    if faults:
        _refuse('its weights belong to other bases', faults)


def _tell_form(model: nn.Module, checkpoint: dict) -> Optional[str]:
    """What to do, where the checkpoint is of another form of generators."""
    given = _weights(checkpoint)
    for name, module in model.named_modules():
        if isinstance(module, AtomGenerator):
            form = tell_form(module, given, _prefix(_without_wrappers(name)))
            if form:
                return form
    return None


def _weights(checkpoint: dict) -> Dict[str, Any]:
    given = checkpoint.get('state_dict', checkpoint)
    return {_without_wrappers(name): value for name, value in given.items()}


def _prefix(name: str) -> str:
    return f'{name}.' if name else ''


def _without_wrappers(name: str) -> str:
    return re.sub(r'^(module(\.|$))+', '', name)


def _check_training_state(checkpoint: dict) -> None:
    absent = [
        key for key in ('state_dict', 'meta', 'message_hub')
        if not isinstance(checkpoint.get(key), dict)
    ]
    if not absent and not {'epoch', 'iter'} <= set(checkpoint['meta']):
        absent = ["meta['epoch']", "meta['iter']"]
    if absent:
        raise ValueError(
            f'the checkpoint has no {", ".join(absent)}: a training cannot '
            'resume from it. load_from starts a new training from its weights')


def _shapes(state_dict: Any) -> Dict[str, tuple]:
    if not isinstance(state_dict, dict):
        raise ValueError('the checkpoint has no weights: its state_dict is '
                         f'of type {type(state_dict).__name__}')
    # MMEngine drops the prefix too, and ignores that count.
    return {
        re.sub(r'^module\.', '', name): tuple(value.shape)
        for name, value in state_dict.items()
        if isinstance(value, Tensor)
        and not name.endswith(('num_batches_tracked', '_extra_state'))
    }


def _part(name: str) -> str:
    return name.split('.', 1)[0]


def _refuse(what: str, faults: List[str], form: Optional[str] = None) -> None:
    shown = '; '.join(faults[:SHOWN])
    rest = f'; and {len(faults) - SHOWN} more' if len(faults) > SHOWN else ''
    advice = f'. In short, {form}' if form else ''
    raise ValueError(f'the checkpoint is of another model: {what} '
                     f'({shown}{rest}){advice}')

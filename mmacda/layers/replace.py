"""Adaptive layers in place of chosen convolutions of an existing model."""
import difflib
import re
from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch.nn as nn
from mmcv.cnn.bricks.wrappers import Conv2d as EmptyInputConv2d
from mmengine.registry import MODELS
from torch.nn.utils.parametrize import is_parametrized

from .acda_conv import ACDAConv
from .projection import project_conv
from .replace_report import ConvRecord, ReplaceReport

# What reads an image (grey, RGB, RGB-D), and is therefore a stem.
MAX_IMAGE_CHANNELS = 4
CARRIED_OVER = ('in_channels', 'out_channels', 'kernel_size', 'stride',
                'padding', 'dilation', 'groups', 'padding_mode')
# Private, as PyTorch has no public way to read a module's hooks; registering
# them anew would give other handles than those the user holds.
HOOKS = ('_forward_hooks', '_forward_hooks_with_kwargs',
         '_forward_hooks_always_called', '_forward_pre_hooks',
         '_forward_pre_hooks_with_kwargs', '_backward_hooks',
         '_backward_pre_hooks', '_is_full_backward_hook')
# (parent module, attribute, dotted name)
Place = Tuple[nn.Module, str, str]


def replace_convs(model: nn.Module,
                  conv_cfg: dict = dict(type='ACDAConv'),
                  include: Any = None,
                  exclude: Any = None,
                  predicate: Optional[Callable[[str, nn.Conv2d],
                                               bool]] = None,
                  init: Optional[str] = None) -> ReplaceReport:
    """Replace chosen ``nn.Conv2d`` of any model, in place.

    By default every convolution with a square, odd kernel larger than 1 x 1
    is replaced, but for stems (at most 4 input channels: it reads an image)
    and frozen ones. The new layer stands at the old name with the old
    channels, stride, padding, dilation, groups, padding mode, device, dtype,
    training mode and forward and backward hooks; its checkpoint keys are
    ``<name>.weight``, ``<name>.bias`` and ``<name>.atom_generator.*``. A
    module that is used at several places stays shared.

    Args:
        model (nn.Module): Changed in place.
        conv_cfg (dict): Type and options of the new layers.
            Default: dict(type='ACDAConv').
        include (str | Sequence[str], optional): Regular expressions, searched
            in the dotted names: only what one of them matches is replaced,
            stems and frozen convolutions included. Default: None.
        exclude (str | Sequence[str], optional): What one of these matches is
            kept. Default: None.
        predicate (Callable, optional): Called with name and convolution;
            false keeps it. Default: None.
        init (str, optional): None for random filters of the size of the
            replaced ones, so initialize the model first; or 'project' to
            start as the replaced convolution, see
            :func:`mmacda.layers.projection.project_conv`. Default: None.

    Returns:
        ReplaceReport: What was replaced, and what was skipped and why.

    Raises:
        TypeError: If ``model`` is itself a convolution, ``conv_cfg`` is no
            dict or allows no warm start, or an option is of a wrong type.
        ValueError: If a regular expression matches no convolution, or
            ``conv_cfg`` or ``init`` is not supported.
    """
    if isinstance(model, nn.Conv2d):
        raise TypeError('replace_convs changes the children of a model, but '
                        'got a single Conv2d')
    if init not in (None, 'project'):
        raise ValueError(f"init must be None or 'project', but got {init!r}")
    _check_conv_cfg(conv_cfg)
    places = _find_convs(model)
    names = [name for found in places.values() for *_, name in found]
    include = _compile('include', include, names)
    exclude = _compile('exclude', exclude, names)
    owners = Counter(
        id(parameter) for module in model.modules()
        for parameter in module._parameters.values())
    report, layers = ReplaceReport(), {}
    for conv, found in places.items():
        aliases = [name for *_, name in found]
        reason = _why_impossible(conv, owners) or _why_unwanted(
            conv, aliases, include, exclude, predicate)
        energy = None
        if reason is None:
            layers[conv], energy = _build(conv, aliases[0], conv_cfg, init)
        target = report.skipped if reason else report.replaced
        target.append(
            ConvRecord(aliases[0], _describe(conv), reason, energy))
    for conv, layer in layers.items():
        for parent, attribute, _ in places[conv]:
            setattr(parent, attribute, layer)
    return report


def _find_convs(model: nn.Module) -> Dict[nn.Conv2d, List[Place]]:
    """Every Conv2d, in module order, and where it is used."""
    inside = {
        id(part)
        for module in model.modules() if isinstance(module, ACDAConv)
        for part in module.modules()
    }
    places: Dict[nn.Conv2d, List[Place]] = {}
    for prefix, parent in model.named_modules():
        if id(parent) in inside:
            continue
        for attribute, child in parent._modules.items():
            if isinstance(child, nn.Conv2d):
                name = f'{prefix}.{attribute}' if prefix else attribute
                places.setdefault(child, []).append((parent, attribute, name))
    return {conv: places[conv] for conv in model.modules() if conv in places}


def _compile(option: str, patterns: Any, names: List[str]) -> list:
    if patterns is None:
        return []
    if isinstance(patterns, (str, re.Pattern)):
        patterns = [patterns]
    if not isinstance(patterns, (list, tuple)) or not all(
            isinstance(p, (str, re.Pattern)) for p in patterns):
        raise TypeError(f'{option} must be a regular expression or a list of '
                        f'them, but got {patterns!r}')
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ValueError(f'{option}={pattern!r} is not a regular '
                             f'expression: {error}') from None
        if not any(compiled[-1].search(name) for name in names):
            near = difflib.get_close_matches(
                compiled[-1].pattern, names, n=5, cutoff=0.3) or names[:5]
            raise ValueError(
                f'{option}={pattern!r} matches none of the {len(names)} '
                'convolutions of the model'
                f'{"; near names are " if near else ""}{", ".join(near)}')
    return compiled


def _why_impossible(conv: nn.Conv2d, owners: Counter) -> Optional[str]:
    height, width = conv.kernel_size
    if is_parametrized(conv) or 'weight' not in conv._parameters:
        return 'its weight is parametrized (weight norm, pruning, ...)'
    if type(conv) not in (nn.Conv2d, EmptyInputConv2d):
        return f'{type(conv).__name__} is a Conv2d of its own kind'
    if owners[id(conv.weight)] > 1:
        return 'it shares its weight with another module'
    if height != width or height % 2 == 0:
        return 'its kernel is not square and odd'
    if height == 1:
        return '1 x 1 has no spatial pattern to adapt'
    return None


def _why_unwanted(conv: nn.Conv2d, aliases: List[str], include: list,
                  exclude: list, predicate: Any) -> Optional[str]:

    def matches(patterns: list) -> bool:
        return any(p.search(name) for p in patterns for name in aliases)

    if include and not matches(include):
        return 'not included'
    if matches(exclude):
        return 'excluded'
    if not include and conv.in_channels <= MAX_IMAGE_CHANNELS:
        return f'stem (reads {conv.in_channels} channels)'
    if not include and not conv.weight.requires_grad:
        return 'frozen'
    if predicate is not None and not predicate(aliases[0], conv):
        return 'the predicate is false'
    return None


def _check_conv_cfg(conv_cfg: dict) -> None:
    if not isinstance(conv_cfg, dict) or 'type' not in conv_cfg:
        raise TypeError("conv_cfg must be a dict such as dict(type='ACDAConv'"
                        f', num_atoms=6), but got {conv_cfg!r}')
    taken = sorted(set(conv_cfg) & {*CARRIED_OVER, 'bias'})
    if taken:
        raise ValueError(f'conv_cfg must not hold {", ".join(taken)}: the '
                         'replaced convolution decides')


def _build(conv: nn.Conv2d, name: str, conv_cfg: dict,
           init: Optional[str]) -> Tuple[nn.Module, Optional[float]]:
    geometry = {key: getattr(conv, key) for key in CARRIED_OVER}
    try:
        layer = MODELS.build(
            dict(**conv_cfg, **geometry, bias=conv.bias is not None))
        layer.to(conv.weight.device, conv.weight.dtype)
        energy = project_conv(conv, layer) if init == 'project' else None
        if init is None and isinstance(layer, ACDAConv):
            _match_size(conv, layer)
    except (TypeError, ValueError) as error:
        raise type(error)(f'{name}: {error}') from error
    layer.train(conv.training)
    layer.requires_grad_(conv.weight.requires_grad)
    if conv.bias is not None and layer.bias is not None:
        layer.bias.requires_grad_(conv.bias.requires_grad)
    for hooks in HOOKS:
        setattr(layer, hooks, getattr(conv, hooks))
    return layer, energy


def _match_size(conv: nn.Conv2d, layer: ACDAConv) -> None:
    """Residual networks without norms rely on small initial filters."""
    if not conv.weight.is_meta:
        energy = conv.weight.detach().float().square().sum().item()
        layer.reset_parameters(energy / conv.out_channels)


def _describe(conv: nn.Conv2d) -> str:
    height, width = conv.kernel_size
    text = f'{conv.in_channels} -> {conv.out_channels}, {height} x {width}'
    if conv.groups > 1:
        text += f', {conv.groups} groups'
    return text

"""Adaptive layers in place of chosen convolutions of an existing model."""
from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import torch.nn as nn
from mmengine.registry import MODELS

from .acda_conv import ACDAConv
from .generator_forms import RECOMMENDED_CONV
from .projection import project_conv
from .replace_choice import compile_patterns, why_impossible, why_unwanted
from .replace_report import ConvRecord, ReplaceReport

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


class Replacement(NamedTuple):
    """A convolution, the layer in its place, and where that is."""
    name: str
    conv: nn.Conv2d
    layer: Any
    places: List[Place]

    def put(self, module: nn.Module) -> None:
        """Let the model use one of the two."""
        for parent, attribute, _ in self.places:
            setattr(parent, attribute, module)

    def start(self, init: Optional[str]) -> Optional[float]:
        """Fill the layer from the convolution, see ``replace_convs``.

        Returns:
            float, optional: Share of the filters' squared norm that
            ``init='project'`` keeps.
        """
        try:
            if init == 'project':
                return project_conv(self.conv, self.layer)
            if isinstance(self.layer, ACDAConv):
                _match_size(self.conv, self.layer)
        except (TypeError, ValueError) as error:
            raise type(error)(f'{self.name}: {error}') from error
        return None


def replace_convs(model: nn.Module,
                  conv_cfg: dict = RECOMMENDED_CONV,
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
        conv_cfg (dict): Type and options of the new layers. A generator
            reads all channels: for grouped and depthwise convolutions
            'light' spares most of the cost.
            Default: dict(type='ACDAConv', atom_generator='medium').
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
    return replace_and_keep(model, conv_cfg, include, exclude, predicate,
                            init)[0]


def replace_and_keep(
        model: nn.Module,
        conv_cfg: dict = RECOMMENDED_CONV,
        include: Any = None,
        exclude: Any = None,
        predicate: Optional[Callable[[str, nn.Conv2d], bool]] = None,
        init: Optional[str] = None
) -> Tuple[ReplaceReport, List[Replacement]]:
    """:func:`replace_convs` that also returns what it took out."""
    if isinstance(model, nn.Conv2d):
        raise TypeError('replace_convs changes the children of a model, but '
                        'got a single Conv2d')
    check_init(init)
    _check_conv_cfg(conv_cfg)
    places = _find_convs(model)
    names = [name for found in places.values() for *_, name in found]
    include = compile_patterns('include', include, names)
    exclude = compile_patterns('exclude', exclude, names)
    owners = Counter(
        id(parameter) for module in model.modules()
        for parameter in module._parameters.values())
    report = ReplaceReport()
    replacements: List[Replacement] = []
    for conv, found in places.items():
        aliases = [name for *_, name in found]
        reason = why_impossible(conv, owners) or why_unwanted(
            conv, aliases, include, exclude, predicate)
        energy = None
        if reason is None:
            layer = _build(conv, aliases[0], conv_cfg)
            replacements.append(Replacement(aliases[0], conv, layer, found))
            energy = replacements[-1].start(init)
        target = report.skipped if reason else report.replaced
        target.append(
            ConvRecord(aliases[0], _describe(conv), reason, energy))
    for replacement in replacements:
        replacement.put(replacement.layer)
    return report, replacements


def check_init(init: Any) -> None:
    """Raise a ValueError unless ``replace_convs`` knows it."""
    if init not in (None, 'project'):
        raise ValueError(f"init must be None or 'project', but got {init!r}")


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


def _check_conv_cfg(conv_cfg: dict) -> None:
    if not isinstance(conv_cfg, dict) or 'type' not in conv_cfg:
        raise TypeError("conv_cfg must be a dict such as dict(type='ACDAConv'"
                        f', num_atoms=6), but got {conv_cfg!r}')
    taken = sorted(set(conv_cfg) & {*CARRIED_OVER, 'bias'})
    if taken:
        raise ValueError(f'conv_cfg must not hold {", ".join(taken)}: the '
                         'replaced convolution decides')


def _build(conv: nn.Conv2d, name: str, conv_cfg: dict) -> nn.Module:
    geometry = {key: getattr(conv, key) for key in CARRIED_OVER}
    try:
        layer = MODELS.build(
            dict(**conv_cfg, **geometry, bias=conv.bias is not None))
        layer.to(conv.weight.device, conv.weight.dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f'{name}: {error}') from error
    layer.train(conv.training)
    layer.requires_grad_(conv.weight.requires_grad)
    if conv.bias is not None and layer.bias is not None:
        layer.bias.requires_grad_(conv.bias.requires_grad)
    for hooks in HOOKS:
        setattr(layer, hooks, getattr(conv, hooks))
    return layer


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

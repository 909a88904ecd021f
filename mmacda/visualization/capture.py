"""Basis coefficients of a running model, without touching its forward."""
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

import torch.nn as nn
from mmengine.model import is_model_wrapper
from torch import Tensor

from ..layers import ACDAConv

Layers = Optional[Union[str, Sequence[str]]]


class CapturedLayer(NamedTuple):
    """What one adaptive layer did in its last forward.

    Args:
        layer (ACDAConv): The layer.
        coefficients (Tensor): alpha, shape (B, m, J, Ho, Wo), detached.
        input_size (tuple): Height and width of the layer's input.
    """
    layer: ACDAConv
    coefficients: Tensor
    input_size: tuple


def find_layers(model: nn.Module, layers: Layers = None) -> Dict[str, Any]:
    """The adaptive layers of a model, in the order of registration.

    Args:
        model (nn.Module): Any model. Of a data parallel wrapper, the inside.
        layers (str | Sequence[str], optional): Names of layers as in
            ``model.named_modules()``; what is not a name is a regular
            expression that is searched in them. Default: None, all.

    Returns:
        Dict[str, ACDAConv]: Name to layer. Pointwise layers, which adapt
        nothing, are not among them.

    Raises:
        ValueError: If the model has no adaptive layer, or an entry of
            ``layers`` fits none.
    """
    if is_model_wrapper(model):
        model = model.module
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, ACDAConv) and not module.pointwise
    }
    if not found:
        raise ValueError(f'{type(model).__name__} has no ACDAConv layer with '
                         'a kernel above 1 x 1: there is nothing to show')
    if layers is None:
        return found
    wanted: set = set()
    for entry in [layers] if isinstance(layers, str) else layers:
        names = [entry] if entry in found else _search(entry, found)
        if not names:
            raise ValueError(f'no adaptive layer fits {entry!r}; there are '
                             f'{", ".join(found)}')
        wanted.update(names)
    return {name: found[name] for name in found if name in wanted}


def _search(pattern: str, names: Sequence[str]) -> List[str]:
    try:
        return [name for name in names if re.search(pattern, name)]
    except re.error as error:
        raise ValueError(f'{pattern!r} is neither the name of an adaptive '
                         f'layer nor a regular expression: {error}') from None


class CoefficientCapture:
    """Keeps the basis coefficients of every forward while it is active.

    A context manager over forward hooks on the ``atom_generator`` of each
    layer: outside of it the model carries no hook at all. Of a layer that
    runs several times, the last run stays.

    Args:
        model (nn.Module): Any model with adaptive layers.
        layers (str | Sequence[str], optional): See :func:`find_layers`.
            Default: None, all.

    Raises:
        ValueError: See :func:`find_layers`.

    Example:
        >>> with CoefficientCapture(model, 'layer4') as captured:
        ...     model(images)
        >>> for name, (layer, coefficients, input_size) in captured.items():
        ...     print(name, coefficients.shape)
    """

    def __init__(self, model: nn.Module, layers: Layers = None):
        self.layers = find_layers(model, layers)
        self.captured: Dict[str, CapturedLayer] = {}
        self._handles: list = []

    def start(self) -> Dict[str, CapturedLayer]:
        """Attach the hooks; the returned dict fills with each forward."""
        self.stop()
        for name, layer in self.layers.items():
            self._handles.append(
                layer.atom_generator.register_forward_hook(
                    self._make_hook(name, layer)))
        return self.captured

    def stop(self) -> None:
        """Remove the hooks; what was captured stays."""
        while self._handles:
            self._handles.pop().remove()

    def _make_hook(self, name: str, layer: ACDAConv):

        def keep(generator: nn.Module, args: tuple, output: Tensor) -> None:
            coefficients = output.detach().unflatten(
                1, (layer.num_atoms, layer.num_coefficients))
            self.captured[name] = CapturedLayer(layer, coefficients,
                                                tuple(args[0].shape[2:]))

        return keep

    def __enter__(self) -> Dict[str, CapturedLayer]:
        return self.start()

    def __exit__(self, *error: Any) -> None:
        self.stop()

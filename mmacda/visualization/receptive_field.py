"""Effective receptive fields by gradient."""
from typing import List, Optional, Sequence, Tuple

import torch
import torch.nn as nn
from torch import Tensor


def effective_receptive_field(model: nn.Module,
                              inputs: Tensor,
                              pixels: Sequence[Tuple[int, int]],
                              layer: Optional[str] = None) -> Tensor:
    """How much each pixel of the image moves chosen output pixels.

    The gradient of an output pixel, summed over its channels, with respect to
    the image, through everything on the way, atom generators included.

    Args:
        model (nn.Module): Any model; it should be in eval mode, else batch
            norms spread every pixel over the batch.
        inputs (Tensor): One preprocessed image, shape (1, C, H, W).
        pixels (Sequence[Tuple[int, int]]): Rows and columns of the output.
        layer (str, optional): Name of the module whose output is meant.
            Default: None, the network's, or its last map if it has several.

    Returns:
        Tensor: Norm of the gradient over the image's channels, shape
        (pixels, H, W).

    Raises:
        ValueError: If the module is unknown, its output is not a map, or a
            pixel lies outside.
    """
    inputs = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = _run(model, inputs, layer)
        name = layer or 'the network'
        if output is None or output.dim() != 4:
            raise ValueError(f'the output of {name} is not a map (B, C, H, W)'
                             ': choose a layer that has one')
        height, width = output.shape[2:]
        fields: List[Tensor] = []
        for row, column in pixels:
            if not (0 <= row < height and 0 <= column < width):
                raise ValueError(f'pixel {row} {column} lies outside of the '
                                 f'{height} x {width} output of {name}')
            gradient, = torch.autograd.grad(
                output[0, :, row, column].sum(), inputs, retain_graph=True)
            fields.append(gradient[0].norm(dim=0))
    return torch.stack(fields)


def _run(model: nn.Module, inputs: Tensor,
         layer: Optional[str]) -> Optional[Tensor]:
    """The network's output, or that of one of its modules."""
    if layer is None:
        output = model(inputs)
        while isinstance(output, (tuple, list)) and output:
            output = output[-1]
        return output if isinstance(output, Tensor) else None
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ValueError(f'the model has no module {layer!r}')
    kept: List[Tensor] = []
    handle = modules[layer].register_forward_hook(
        lambda module, args, output: kept.append(output))
    try:
        model(inputs)
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f'{layer!r} does not run in a forward of the model')
    return kept[-1] if isinstance(kept[-1], Tensor) else None


def field_moments(field: Tensor) -> Tuple[float, float, float]:
    """Centre and size of a receptive field, weighted by squared gradient.

    Args:
        field (Tensor): Shape (H, W).

    Returns:
        Tuple[float, float, float]: Row and column of the centre, and the
        root mean square distance from it, in pixels; nan if all is zero.
    """
    weight = field.detach().double().square()
    weight = weight / weight.sum()
    rows = torch.arange(field.shape[0]).to(weight)
    columns = torch.arange(field.shape[1]).to(weight)
    row = (weight.sum(1) * rows).sum()
    column = (weight.sum(0) * columns).sum()
    spread = (weight.sum(1) * (rows - row).square()).sum() \
        + (weight.sum(0) * (columns - column).square()).sum()
    return row.item(), column.item(), spread.sqrt().item()

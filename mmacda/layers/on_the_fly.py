"""When a layer's coefficients are made on the fly, and from what.

The plain way calls the whole atom generator and hands its coefficients to the
operator. Where the second convolution is pointwise, the operator can make them
itself (:func:`mmacda.ops.adaptive_conv2d_generated`): the same result to
rounding, without the largest tensor of the layer.
"""
import os
from typing import Any, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.modules.module as torch_module
from torch import Tensor

from ..ops import Generator, adaptive_conv2d_generated
from ..ops.autocast import autocast_dtype, call_as_given
from ..ops.backends import ENVIRONMENT_VARIABLE, GENERATING
from ..ops.backends.native.half import STORAGES
from ..ops.batch_generated import (Affine, BatchGenerator,
                                   adaptive_conv2d_batch_generated,
                                   serves_batch)
from ..ops.evaluated import Evaluated, adaptive_conv2d_evaluated
from ..ops.tracing import is_looked_at, is_plain
from .atom_generator import AtomGenerator, GeneratorConv2d
from .folded_norm import (fold_norm, processes_of, scale_and_shift,
                          update_statistics)

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
NORMS = (*BATCH_NORMS, nn.Identity)
ACTIVATIONS = (nn.Tanh, nn.Identity)

USED = 'conv1', 'conv2', 'norm1', 'norm2'

# Where it is done. On a GPU it took longer in training at every size that was
# tried; `python -m tools.gpu --steps layers` compares the two.
DEVICES = ('cpu', )
# Hidden values below which the few calls of the plain way take less time than
# folding the norms where PyTorch does a part of it: in training.
LEAST_TRAINED_VALUES = 2**17


def why_plain(generator: Any) -> Optional[str]:
    """Why this generator's coefficients are not made on the fly, or None."""
    if type(generator) is not AtomGenerator:
        return f'the generator is a {type(generator).__name__}'
    # By name: nn.Module's attributes take longer than all that is asked here.
    modules = generator._modules
    conv, norm, act = modules['conv2'], modules['norm2'], modules['act2']
    if type(conv) is not GeneratorConv2d or conv.kernel_size != (1, 1):
        return 'its second convolution is not a pointwise one'
    if type(norm) not in NORMS or (conv.bias is not None
                                   and type(norm) is not nn.Identity):
        return f'its second norm is a {type(norm).__name__}'
    if type(act) not in ACTIVATIONS:
        return f'its second activation is a {type(act).__name__}'
    if any(map(_is_watched, (generator, conv, norm, act))):
        return 'a hook looks inside'
    return None


def _is_watched(module: Any) -> bool:
    # The dictionaries that nn.Module.__call__ looks into; there is no public
    # way to ask whether somebody is listening.
    return bool(module._forward_hooks or module._forward_pre_hooks
                or module._backward_hooks or module._backward_pre_hooks)


def _is_everything_watched() -> bool:
    return bool(torch_module._global_forward_hooks
                or torch_module._global_forward_pre_hooks
                or torch_module._global_backward_hooks
                or torch_module._global_backward_pre_hooks)


def why_plain_now(generator: Any, x: Tensor,
                  weight: Optional[Tensor] = None) -> Optional[str]:
    """:func:`why_plain`, of this call."""
    if not isinstance(x, Tensor) or is_looked_at(x, weight):
        return 'the call is traced, recorded or transformed'
    if x.device.type not in DEVICES:
        return f'on {x.device.type} coefficients are made before the call'
    dtype = autocast_dtype(x.device.type) or x.dtype
    if torch.float64 in (dtype, x.dtype) or dtype not in STORAGES:
        return f'no backend makes coefficients in {x.dtype}'
    if not x.numel():
        return 'the input is empty'
    named = os.environ.get(ENVIRONMENT_VARIABLE, '').strip()
    if named and named not in GENERATING:
        return f'{ENVIRONMENT_VARIABLE} names {named}'
    if _is_everything_watched():
        return 'a hook looks inside'
    reason = why_plain(generator)
    if reason is None and _is_small(generator, x):
        return 'the maps are small'
    if reason is None and not all(map(is_plain, _tensors(generator))):
        return 'a parameter stands for something else'
    return reason


def _is_single(x: Tensor) -> bool:
    """Whether all of the layer is computed in float32, on a CPU."""
    return x.is_cpu and x.dtype == torch.float32 \
        and autocast_dtype('cpu') is None


def _is_small(generator: Any, x: Tensor) -> bool:
    if x.is_cpu and (not torch.is_grad_enabled() or _is_single(
            x) and _reads_input(generator) and _derives_both_norms(generator)):
        return False
    conv = generator._modules['conv1']
    stride_h, stride_w = conv.stride
    batch, _, height, width = x.shape
    pixels = batch * height * width // (stride_h * stride_w)
    return x.is_cpu and pixels * conv.out_channels < LEAST_TRAINED_VALUES


def _tensors(generator: Any) -> list:
    """Those that are used without their modules being called."""
    modules = generator._modules
    found: list = []
    for name in USED:
        found += modules[name]._parameters.values()
        found += modules[name]._buffers.values()
    return found


def convolve(layer: Any, x: Tensor, weight: Tensor,
             bias: Optional[Tensor]) -> Tensor:
    """The output of an ACDAConv whose generator :func:`why_plain_now` passes.

    Norms keep their running statistics as if they had been called.
    """
    generator = layer.atom_generator
    named = layer.backend or os.environ.get(ENVIRONMENT_VARIABLE, '').strip()
    if named in ('', 'native') and _is_single(x):
        output = None
        if _derives_both_norms(generator):
            output = _convolve_batch(layer, x, weight, bias)
        elif not torch.is_grad_enabled() and layer.padding_mode == 'zeros' \
                and _folds(generator) and _reads_input(generator):
            output = _evaluate(layer, x, weight, bias)
        if output is not None:
            return output
    hidden, rest = prepare(generator, x, layer.num_atoms)
    return adaptive_conv2d_generated(
        layer._margin(x), hidden, rest, layer.atom_bases, weight, bias,
        **layer._geometry._asdict(), backend=layer.backend)


def _evaluate(layer: Any, x: Tensor, weight: Tensor,
              bias: Optional[Tensor]) -> Optional[Tensor]:
    """All of a layer in evaluation at once, where that is served."""
    generator = layer._modules['atom_generator']
    modules = generator._modules
    if type(modules['norm2']) not in BATCH_NORMS:
        return None
    generator.check_input(x)
    first, second = (
        Evaluated(conv._parameters['weight'], norm._buffers['running_mean'],
                  norm._buffers['running_var'], norm._parameters['weight'],
                  norm._parameters['bias'], norm.eps)
        for conv, norm in ((modules['conv1'], modules['norm1']),
                           (modules['conv2'], modules['norm2'])))
    return adaptive_conv2d_evaluated(
        x, first, second, layer.num_atoms, type(modules['act2']) is nn.Tanh,
        layer.atom_bases, weight, bias, layer._geometry)


def _convolve_batch(layer: Any, x: Tensor, weight: Tensor,
                    bias: Optional[Tensor]) -> Optional[Tensor]:
    """Both norms by the statistics of this batch, where that is served."""
    generator, bases = layer.atom_generator, layer.atom_bases
    generator.check_input(x)
    padded, size = layer._margin(x), generator.output_size(x)
    first = generator.conv1.weight \
        if padded is x and _reads_input(generator) else None
    rest = BatchGenerator(first, _affine(generator.norm1),
                          generator.conv2.weight, _affine(generator.norm2),
                          layer.num_atoms, type(generator.act2) is nn.Tanh)
    if x.shape[0] * size[0] * size[1] == 1 or not serves_batch(
            padded, size, rest, bases, weight, bias, layer._geometry):
        return None
    maps = generator.first_conv(x) if first is None else None
    output, moments = adaptive_conv2d_batch_generated(
        padded, maps, rest, bases, weight, bias, layer._geometry, size)
    norms = generator.norm1, generator.norm2
    update_statistics(norms, moments.split(
        [norm.num_features for norm in norms for _ in range(2)]))
    return output


def _derives_both_norms(generator: Any) -> bool:
    """Whether both are batch norms by this batch, with Tanh in between."""
    modules = generator._modules
    norms, act = (modules['norm1'], modules['norm2']), modules['act1']
    return all(type(norm) in BATCH_NORMS and _uses_batch(norm)
               and processes_of(norm) is None for norm in norms) \
        and type(act) is nn.Tanh \
        and not _is_watched(act) and not _is_watched(norms[0])


def _affine(norm: Any) -> Affine:
    parameters = norm._parameters
    return Affine(parameters['weight'], parameters['bias'], norm.eps)


def prepare(generator: Any,
            x: Tensor,
            num_atoms: int) -> Tuple[Tensor, Generator]:
    """Hidden maps of x, and the rest of the generator as one matrix.

    In evaluation a pointwise first layer becomes a matrix as well, and the
    maps are then x itself, at the pixels of the output.

    Norms keep their running statistics as if they had been called.
    """
    inference = not torch.is_grad_enabled()
    hidden_norm = None
    if inference and _folds(generator):
        if _is_single(x) and _reads_input(generator):
            return _fold_first(generator, x, num_atoms)
        hidden = generator.first_conv(x)
        hidden_norm = scale_and_shift(generator.norm1)
    else:
        hidden = generator.hidden(x)
    return hidden, _fold(generator, hidden, num_atoms, hidden_norm)


def _reads_input(generator: Any) -> bool:
    """Whether the tile can take over the first convolution too."""
    conv = generator._modules['conv1']
    return type(conv) is GeneratorConv2d and conv.kernel_size == (1, 1) \
        and conv.bias is None and not any(conv.padding + generator.crop) \
        and not _is_watched(conv)


def _fold_first(generator: Any, x: Tensor,
                num_atoms: int) -> Tuple[Tensor, Generator]:
    generator.check_input(x)
    first = fold_norm(generator.conv1.weight, None, generator.norm1, x)
    step_h, step_w = generator.conv1.stride
    if step_h > 1 or step_w > 1:
        x = x[:, :, ::step_h, ::step_w]
    return x, _fold(generator, x, num_atoms)._replace(first=first)


def _fold(generator: Any, hidden: Tensor, num_atoms: int,
          hidden_norm: Optional[Tensor] = None) -> Generator:
    matrix = call_as_given(fold_norm, generator.conv2.weight,
                           generator.conv2.bias, generator.norm2, hidden)
    return Generator(matrix, num_atoms, type(generator.act2) is nn.Tanh,
                     hidden_norm)


def _folds(generator: Any) -> bool:
    """Whether the tile can take over the first norm and activation."""
    modules = generator._modules
    norm, act = modules['norm1'], modules['act1']
    return type(act) is nn.Tanh and type(norm) in BATCH_NORMS \
        and not _uses_batch(norm) and not _uses_batch(modules['norm2']) \
        and not _is_watched(norm) and not _is_watched(act)


def _uses_batch(norm: nn.Module) -> bool:
    return type(norm) is not nn.Identity and (
        norm.training or norm._buffers['running_mean'] is None)

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

from ..ops import Generator
from ..ops.autocast import autocast_dtype
from ..ops.backends import ENVIRONMENT_VARIABLE, GENERATING
from ..ops.tracing import is_looked_at
from .atom_generator import AtomGenerator, GeneratorConv2d
from .folded_norm import fold_norm, scale_and_shift

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
NORMS = (*BATCH_NORMS, nn.Identity)
ACTIVATIONS = (nn.Tanh, nn.Identity)
# The dictionaries that nn.Module.__call__ looks into; there is no public way
# to ask whether somebody is listening.
HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks',
         '_backward_pre_hooks')


# Hidden values below which the plain way's few calls take less time than what
# folding the norms takes: without gradients, and with them, where the
# statistics of a batch are derived as well.
LEAST_VALUES, LEAST_TRAINED_VALUES = 2**13, 2**17
# On a GPU so many times as many: predicted, for it is the host that folds.
SCALES = dict(cpu=1, cuda=32)


def why_plain(generator: Any) -> Optional[str]:
    """Why this generator's coefficients are not made on the fly, or None."""
    if type(generator) is not AtomGenerator:
        return f'the generator is a {type(generator).__name__}'
    conv, norm, act = generator.conv2, generator.norm2, generator.act2
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
    return any(getattr(module, name, None) for name in HOOKS)


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
    if x.device.type not in SCALES:
        return f'no backend makes coefficients on {x.device.type}'
    if x.dtype != torch.float32:
        return f'no backend makes coefficients in {x.dtype}'
    if not x.numel():
        return 'the input is empty'
    named = os.environ.get(ENVIRONMENT_VARIABLE, '').strip()
    if named and named not in GENERATING:
        return f'{ENVIRONMENT_VARIABLE} names {named}'
    if autocast_dtype(x.device.type) is not None:
        return 'autocast is on'
    if _is_everything_watched():
        return 'a hook looks inside'
    reason = why_plain(generator)
    if reason is None and _is_small(generator, x):
        return 'the maps are small'
    if reason is None and is_looked_at(*_tensors(generator)):
        return 'a parameter stands for something else'
    return reason


def _is_small(generator: Any, x: Tensor) -> bool:
    stride_h, stride_w = generator.conv1.stride
    pixels = x.shape[0] * x.shape[2] * x.shape[3] // (stride_h * stride_w)
    least = LEAST_TRAINED_VALUES if torch.is_grad_enabled() else LEAST_VALUES
    values = pixels * generator.conv1.out_channels
    return values < least * SCALES[x.device.type]


def _tensors(generator: Any) -> list:
    """Those that are used without their modules being called."""
    modules = generator.conv2, generator.norm1, generator.norm2
    return [
        tensor for module in modules
        for tensor in (*module._parameters.values(),
                       *module._buffers.values())
    ]


def prepare(generator: Any,
            x: Tensor,
            num_atoms: int) -> Tuple[Tensor, Generator]:
    """Hidden maps of x, and the rest of the generator as one matrix.

    Norms keep their running statistics as if they had been called.
    """
    inference = not torch.is_grad_enabled()
    hidden_norm = None
    if inference and _folds(generator):
        hidden = generator.first_conv(x)
        hidden_norm = scale_and_shift(generator.norm1)
    else:
        hidden = generator.hidden(x)
    matrix = fold_norm(generator.conv2.weight, generator.conv2.bias,
                       generator.norm2, hidden)
    return hidden, Generator(matrix, num_atoms,
                             type(generator.act2) is nn.Tanh, hidden_norm)


def _folds(generator: Any) -> bool:
    """Whether the tile can take over the first norm and activation."""
    norm, act = generator.norm1, generator.act1
    return type(act) is nn.Tanh and type(norm) in BATCH_NORMS \
        and not _uses_batch(norm) and not _uses_batch(generator.norm2) \
        and not _is_watched(norm) and not _is_watched(act)


def _uses_batch(norm: nn.Module) -> bool:
    return type(norm) is not nn.Identity and (norm.training
                                              or norm.running_mean is None)

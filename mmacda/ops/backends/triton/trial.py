"""Whether kernels do what they should, tried once for a device and a dtype.

What a compiler, a driver or a GPU that nobody has tried makes of the kernels
must not go unnoticed. A wrong result or a fault of theirs is a verdict, and
lasts; that memory ran out, or that a graph is being captured, is none.
"""
import logging
from contextlib import nullcontext
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ...autocast import autocast_dtype
from ...generator import Generator
from ...geometry import ConvGeometry
from .. import stock
from ..capture import refuse_capture


# In the place of a family: coefficients that are made where atoms are.
GENERATED = 'generated'


class Sizes(NamedTuple):
    """Of the calls of a trial."""
    channels: int
    atoms: int
    coefficients: int
    # Stride 1, where filters overlap; and 2, where the input's gradient has
    # phases: input's height and width by stride.
    maps: Dict[int, Tuple[int, int]]


# As in layers: whole 16-byte loads, atoms and channels of the usual kind.
SIZES = Sizes(64, 6, 5, {1: (5, 6), 2: (5, 4)})
# The interpreter takes seconds for these.
SMALL_SIZES = Sizes(4, 2, 3, {2: (4, 3)})
KERNEL = 3
NAMES = ('outputs', 'gradients of the input', 'gradients of the coefficients',
         'gradients of the weight')
# Largest difference, of the largest value. TensorFloat-32 has ten bits.
TOLERANCES = {torch.bfloat16: 4e-2}
TOLERANCE = 2e-2
MEMORY = ('out of memory', 'alloc_failed', 'cannot allocate memory')

logger = logging.getLogger('mmacda')
_verdicts: Dict[Tuple[torch.device, torch.dtype, Any], Optional[str]] = {}


def judge(device: torch.device, dtype: torch.dtype,
          family: Any) -> Optional[str]:
    """Reason why a family's kernels do not serve, or None.

    Raises:
        RuntimeError: If nothing is known yet and a CUDA graph is captured.
    """
    key = device, dtype, family
    if key not in _verdicts:
        _verdicts[key] = _judge(*key)
        if _verdicts[key]:
            logger.warning('%s: slower kernels serve instead', _verdicts[key])
    return _verdicts[key]


def _judge(device: torch.device, dtype: torch.dtype,
           family: Any) -> Optional[str]:
    refuse_capture(f'its kernels have not been tried on {device} with {dtype} '
                   'yet')
    if device.type == 'cuda':
        torch.cuda.synchronize(device)  # what fails here is not of ours
    try:
        # Whatever the first caller does: the verdict is everybody's.
        with torch.inference_mode(False), torch.no_grad(), _uncast(device):
            faults = _find_faults(device, dtype, family)
    except Exception as error:  # of the compiler, the driver or a tool
        if is_about_memory(error):
            raise
        text = str(error).strip().splitlines() or [type(error).__name__]
        return f'Triton does not work on {device} with {dtype}: {text[-1]}'
    if faults:
        return (f'on {device} with {dtype} its {", ".join(faults)} differ '
                'from those of the stock backend')
    return None


def _uncast(device: torch.device) -> Any:
    if autocast_dtype(device.type) is None:
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def is_about_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) \
        or any(words in text for words in MEMORY)


def _find_faults(device: torch.device, dtype: torch.dtype,
                 family: Any) -> List[str]:
    """Names of the results of small calls that differ from stock's."""
    if family == GENERATED:
        return _find_generated_faults(device, dtype)
    from . import backward, forward
    from .plan import find_plan
    found: List[str] = []
    sizes = SIZES if device.type == 'cuda' else SMALL_SIZES
    for stride in sizes.maps:
        geometry = ConvGeometry((stride, stride), (1, 1), (1, 1), 1)
        x, alpha, bases, weight = operands(device, dtype, geometry, sizes)
        plan = find_plan(x, alpha, bases, weight,
                         geometry, family)
        if not family.serves(plan):
            continue
        needs = True, True, False, True
        y = forward(x, alpha, bases, weight, geometry, family=family)
        dy = wave(device, *y.shape).to(dtype)
        ours = backward(dy, x, alpha, bases, weight, geometry, needs,
                        family=family)
        x, alpha, bases, weight = (
            t.float() for t in (x, alpha, bases, weight))
        right = stock.forward(x, alpha, bases, weight, geometry)
        theirs = stock.backward(dy.float(), x, alpha, bases, weight, geometry,
                                needs)
        found += [
            name for name in compare(
                (y, ours[0], ours[1], ours[3]),
                (right, theirs[0], theirs[1], theirs[3]), dtype)
            if name not in found
        ]
    return found


def _find_generated_faults(device: torch.device,
                           dtype: torch.dtype) -> List[str]:
    from . import backward_generated, forward_generated
    sizes = SIZES if device.type == 'cuda' else SMALL_SIZES
    stride = min(sizes.maps)
    geometry = ConvGeometry((stride, stride), (1, 1), (1, 1), 1)
    x, alpha, bases, weight = operands(device, dtype, geometry, sizes)
    hidden = wave(device, 1, 16, *alpha.shape[3:]).to(dtype)
    matrix = wave(device, alpha.shape[1] * alpha.shape[2], 17).to(dtype) / 4
    made = Generator(matrix, sizes.atoms)
    needs = True, True, True, True
    y = forward_generated(x, hidden, made, bases, weight, geometry)
    dy = wave(device, *y.shape).to(dtype)
    ours = backward_generated(dy, x, hidden, made, bases, weight, geometry,
                              needs)
    leaves = [t.detach().float().requires_grad_() for t in (hidden, matrix)]
    with torch.enable_grad():
        coefficients = Generator(leaves[1], sizes.atoms).coefficients(
            leaves[0])
    x, bases, weight = x.float(), bases.float(), weight.float()
    alpha = coefficients.detach()
    right = stock.forward(x, alpha, bases, weight, geometry)
    theirs = stock.backward(dy.float(), x, alpha, bases, weight, geometry,
                            (True, True, False, True))
    assert theirs[1] is not None
    further = torch.autograd.grad(coefficients, leaves, theirs[1])
    return compare((y, ours[0], ours[3], *ours[1:3]),
                   (right, theirs[0], theirs[3], *further), dtype,
                   (NAMES[0], NAMES[1], NAMES[3], 'gradients of the hidden '
                    'maps', 'gradients of the matrix'))


def compare(ours: Sequence[Any], right: Sequence[Any],
            dtype: torch.dtype,
            names: Sequence[str] = NAMES) -> List[str]:
    """Names of those that differ."""
    limit = TOLERANCES.get(dtype, TOLERANCE)
    return [
        name for name, mine, true in zip(names, ours, right)
        if not (mine.float() - true).abs().max() < limit * true.abs().max()
    ]


def wave(device: torch.device, *shape: int) -> Tensor:
    """Values in [-1, 1) that no sum cancels more than it would random ones.

    Of waves of one length most cancels, and with it what a dtype can tell of
    a result: so each place's number is mixed, by a hash of integers.
    """
    mixed = torch.arange(1, torch.Size(shape).numel() + 1, device=device)
    for factor, shift in ((0x9E3779B1, 15), (0x85EBCA77, 13)):
        mixed = mixed.mul(factor).bitwise_and(0xFFFFFFFF)
        mixed = mixed.bitwise_xor(mixed.bitwise_right_shift(shift))
    return mixed.to(torch.float64).mul(2.**-31).sub(1).float().view(shape)


def operands(device: torch.device, dtype: torch.dtype, geometry: ConvGeometry,
             sizes: Sizes) -> Tuple[Tensor, ...]:
    """Input, coefficients, bases and weight of a call."""
    channels, atoms, coefficients, maps = sizes
    size = maps[geometry.stride[0]]
    out_size = geometry.output_size(size, KERNEL)
    x = wave(device, 1, channels, *size).to(
        dtype, memory_format=torch.channels_last)
    return (x, wave(device, 1, atoms, coefficients, *out_size).to(dtype),
            wave(device, coefficients, KERNEL, KERNEL).to(dtype),
            wave(device, channels, channels * atoms, 1, 1).to(dtype))

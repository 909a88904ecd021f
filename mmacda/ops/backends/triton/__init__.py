"""The Triton backend: float32, float16 and bfloat16 on a GPU.

Atom-first, over chunks of pixels: a kernel composes the atoms, one convolves
with them, and the coefficient convolution is PyTorch's matrix product.
Backward recomputes both from the input; the input's gradient is a gather,
because the coefficient convolution commutes with the atom convolution. All
that can be known of a call beforehand is in its plan (``plan.py``), which also
chooses the kernels. Triton is imported where the backend is first asked for;
with TRITON_INTERPRET=1 set by then, the same kernels run on a CPU, for tests.
"""
import os
import re
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, ContextManager, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ...generator import Generator
from ...geometry import ConvGeometry
from ...tracing import find_obstacle
from .. import stock

INTERPRET = 'TRITON_INTERPRET'
# 3.0 to 3.2 abort with an error of LLVM on the products with the bases.
OLDEST = 3, 3
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_HERE: ContextManager = nullcontext()


@lru_cache(maxsize=None)
def _load() -> Tuple[Any, Optional[str]]:
    """Plan, Forward and Backward; or the reason for none."""
    try:
        from triton import __version__ as found
        if tuple(map(int, re.findall(r'\d+', found)[:2])) < OLDEST:
            # Its compiler ends the process: it must not come to a trial.
            return None, (f'Triton {found} cannot compile its kernels; 3.3, '
                          'which comes with PyTorch 2.7, or a newer one can')
        from . import backward_pass, forward_pass, plan
    except Exception as error:  # whatever a broken installation raises
        return None, (f'Triton is not available ({error}); '
                      'run `pip install triton`')
    return (plan, forward_pass.Forward, backward_pass.Backward), None


def try_device(device: torch.device, dtype: torch.dtype,
               family: Any = None) -> Optional[str]:
    """Reason why kernels do not run on a device, or not as they should.

    Compares small calls and their gradients with the stock backend, once for
    each device, dtype and family of kernels: by default that which serves
    where no other does.
    """
    loaded, reason = _load()
    if reason:
        return reason
    from .trial import judge
    return judge(device, dtype, family or loaded[0].FAMILIES[-1])


def _current(device: torch.device) -> ContextManager:
    """Triton launches on the current device, which may be another one."""
    return _HERE if device.type != 'cuda' \
        or device.index == torch.cuda.current_device() \
        else torch.cuda.device(device)


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    if x.dtype not in DTYPES:
        return ('it computes in float32, float16 or bfloat16, but the input '
                f'is {x.dtype}')
    if x.device.type != 'cuda' and not (x.device.type == 'cpu'
                                        and os.environ.get(INTERPRET)):
        return f'it runs on a GPU, but the input is on {x.device}'
    if weight.numel() == 0:
        return 'a tensor is empty'
    return find_obstacle(x, alpha, atom_bases, weight) \
        or try_device(x.device, x.dtype)


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry,
            bias: Optional[Tensor] = None,
            family: Any = None) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) in channels-last memory."""
    (plan, make, _), _ = _load()
    with _current(x.device):
        x = _with_dense_channels(x)
        run = plan.find_plan(x, alpha, atom_bases, weight, geometry,
                             family).a_pass(make)
        return run(x, alpha, weight.contiguous(), bias)


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool],
             family: Any = None) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    need_x, need_alpha, need_bases, need_weight = needs
    (plan, _, make), _ = _load()
    grad_x = grad_alpha = grad_bases = grad_weight = None
    with _current(x.device):
        if need_x or need_alpha or need_weight:
            x = _with_dense_channels(x)
            run = plan.find_plan(
                x, alpha, atom_bases, weight, geometry,
                family).a_pass(make, need_x, need_alpha, need_weight)
            grad_x, grad_alpha, grad_weight = run(
                _channels_last(grad_output), x, alpha, weight.contiguous())
        if need_bases:  # rare: bases are fixed in the paper
            grad_bases = stock.backward(grad_output, x, alpha, atom_bases,
                                        weight, geometry,
                                        (False, False, True, False))[2]
    return grad_x, grad_alpha, grad_bases, grad_weight


def can_generate(x: Tensor, generator: Generator) -> Optional[str]:
    """Reason why coefficients are made before the call, or None."""
    from .atoms import MOST_GENERATED
    from .trial import GENERATED, judge
    count = len(generator.matrix) // generator.num_atoms
    if count > MOST_GENERATED:
        return f'an atom has {count} coefficients, more than {MOST_GENERATED}'
    return judge(x.device, x.dtype, GENERATED)


def forward_generated(x: Tensor, hidden: Tensor, generator: Generator,
                      atom_bases: Optional[Tensor], weight: Tensor,
                      geometry: ConvGeometry,
                      family: Any = None) -> Tensor:
    """:func:`forward` with coefficients that are made where atoms are."""
    (plan, make, _), _ = _load()
    with _current(x.device):
        x = _with_dense_channels(x)
        made, making = _stand_in(hidden, generator)
        run = plan.find_plan(x, made, atom_bases, weight, geometry,
                             family, making).a_pass(make)
        return run(x, made, weight.to(x.dtype).contiguous(), None)


def backward_generated(
        grad_output: Tensor, x: Tensor, hidden: Tensor, generator: Generator,
        atom_bases: Optional[Tensor], weight: Tensor, geometry: ConvGeometry,
        needs: Sequence[bool],
        family: Any = None) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, hidden maps, generator's matrix and weight."""
    from .generated import MadeGradient
    need_x, need_hidden, need_matrix, need_weight = needs
    (plan, _, make), _ = _load()
    with _current(x.device):
        x = _with_dense_channels(x)
        made, making = _stand_in(hidden, generator)
        grad_hidden = torch.empty_like(hidden) if need_hidden else None
        gradient = MadeGradient(
            made, grad_hidden if grad_hidden is None else
            grad_hidden[:, None], need_matrix)
        run = plan.find_plan(
            x, made, atom_bases, weight, geometry, family,
            making).a_pass(make, need_x, need_hidden or need_matrix,
                           need_weight)
        grad_x, _, grad_weight = run(
            _channels_last(grad_output), x, made,
            weight.to(x.dtype).contiguous(), gradient)
    if grad_weight is not None:
        grad_weight = grad_weight.to(weight.dtype)
    return grad_x, grad_hidden, gradient.of_matrix(
        generator.matrix), grad_weight


def _stand_in(hidden: Tensor, generator: Generator) -> tuple:
    """What takes the place of alpha, and what its plan is to know."""
    from . import atoms, generated, operands
    count = len(generator.matrix) // generator.num_atoms
    lines = atoms.ceil(generator.num_atoms, atoms.EIGHT) * atoms.EIGHT
    columns = operands.pad_size(hidden.shape[1])
    return generated.make(hidden, generator, columns,
                          operands.pad_size(count), lines)


def _channels_last(maps: Tensor) -> Tensor:
    """(B, C, H, W) with dense pixels, and so in memory as (B, H, W, C)."""
    return maps.contiguous(memory_format=torch.channels_last)


def _with_dense_channels(x: Tensor) -> Tensor:
    """(B, C, H, W) with unit stride in C."""
    return x if x.stride(1) == 1 or x.shape[1] == 1 else _channels_last(x)

"""The Triton backend: float32, float16 and bfloat16 on a GPU.

Atom-first, over chunks of pixels: a kernel composes the atoms, one convolves
with them, and the coefficient convolution is PyTorch's matrix product.
Backward recomputes both from the input; the input's gradient is a gather,
because the coefficient convolution commutes with the atom convolution. Triton
is imported where the backend is first asked for; with TRITON_INTERPRET=1 set
by then, the same kernels run on a CPU, for tests.
"""
import os
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import ContextManager, List, Optional, Sequence, Tuple, Type

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ...tracing import find_obstacle
from .. import stock
from .call import Call

INTERPRET = 'TRITON_INTERPRET'
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@lru_cache(maxsize=None)
def _load():
    """The module that launches kernels, or the reason why there is none."""
    try:
        from . import launch
    except Exception as error:  # whatever a broken installation raises
        return None, (f'Triton is not available ({error}); '
                      'run `pip install triton`')
    return launch, None


@lru_cache(maxsize=None)
def try_device(device: torch.device,
               call_type: Type[Call] = Call) -> Optional[str]:
    """Reason why kernels do not run on a device, or not as they should.

    Compares a small call and its gradients with the stock backend once:
    what a compiler, a driver or a GPU that nobody has tried makes of the
    kernels must not go unnoticed.
    """
    if _load()[1]:
        return _load()[1]
    try:
        faults = _compare_with_stock(device, call_type)
    except Exception as error:  # of the compiler, the driver or a tool
        text = str(error).strip().splitlines() or [type(error).__name__]
        return f'Triton does not work on {device}: {text[-1]}'
    if faults:
        return (f'on {device} its {", ".join(faults)} differ from those of '
                'the stock backend')
    return None


def _compare_with_stock(device: torch.device,
                        call_type: Type[Call]) -> List[str]:
    """Names of the results of a small call that differ."""

    def wave(*shape: int) -> Tensor:
        count = torch.Size(shape).numel()
        values = torch.arange(count, device=device).mul(1.7).sin()
        return values.view(shape).to(dtype)

    # The interpreter reads float32 only.
    dtype = call_type.dtype if device.type == 'cuda' else torch.float32

    x, alpha, bases, weight = (wave(1, 3, 4, 5), wave(1, 2, 3, 2, 3),
                               wave(3, 3, 3), wave(2, 6, 1, 1))
    geometry = ConvGeometry((2, 2), (1, 1), (1, 1), 1)
    needs = True, True, False, True
    names = ('outputs', 'gradients of the input', 'gradients of the '
             'coefficients', 'gradients of the weight')
    results = []
    for forward_of, backward_of in ((partial(forward, call_type=call_type),
                                     partial(backward, call_type=call_type)),
                                    (stock.forward, stock.backward)):
        y = forward_of(x, alpha, bases, weight, geometry)
        grads = backward_of(
            wave(*y.shape), x, alpha, bases, weight, geometry, needs)
        results.append([y, grads[0], grads[1], grads[3]])
    # TensorFloat-32 has ten bits.
    return [
        name for name, ours, theirs in zip(names, *results)
        if not (ours - theirs).abs().max() < 2e-2 * theirs.abs().max()
    ]


def _current(device: torch.device) -> ContextManager:
    """Triton launches on the current device, which may be another one."""
    return torch.cuda.device(device) if device.type == 'cuda' \
        else nullcontext()


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
        or try_device(x.device)


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor,
            geometry: ConvGeometry,
            call_type: Type[Call] = Call) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) without bias, in channels-last memory."""
    with _current(x.device):
        call = call_type(_load()[0], x, alpha, atom_bases, weight, geometry)
        return call.output()


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool],
             call_type: Type[Call] = Call) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    need_x, need_alpha, need_bases, need_weight = needs
    grad_x = grad_alpha = grad_bases = grad_weight = None
    with _current(x.device):
        call = call_type(_load()[0], x, alpha, atom_bases, weight, geometry)
        dy = grad_output.permute(0, 2, 3, 1).contiguous()
        if need_x:
            grad_x = call.grad_input(dy)
        if need_alpha or need_weight:
            grad_alpha, grad_weight = call.grad_others(dy, need_alpha,
                                                       need_weight)
        if need_bases:  # rare: bases are fixed in the paper
            grad_bases = stock.backward(grad_output, x, alpha, atom_bases,
                                        weight, geometry,
                                        (False, False, True, False))[2]
        if grad_weight is not None:
            grad_weight = grad_weight.reshape(weight.shape).to(weight.dtype)
    return grad_x, grad_alpha, grad_bases, grad_weight

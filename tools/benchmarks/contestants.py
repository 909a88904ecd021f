"""What is compared: our backends, unfold + einsum and standard convs."""
from functools import partial
from typing import Callable, List, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmacda.ops import adaptive_conv2d, available_backends, reference
from mmacda.ops.memory_format import memory_format_of
from mmacda.testing.cases import (OPERANDS, Case, Operands, evaluate,
                                  relative_error, unsupported_reason)

UNFOLD = 'unfold'
# The choice that the operator makes itself.
CHOSEN = 'acda'
CONVS = {'conv3': 3, 'conv5': 5, 'conv7': 7}
DIFFERENTIATE = ('input', 'basis_coefficients', 'weight')
# Largest difference to the reference, relative to the largest value.
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 4e-3}


class GateError(ValueError):
    """A backend's result is wrong: nothing of it is timed."""


class Contestant:
    """A function with its operands, to be called forward or both ways."""

    def __init__(self, function: Callable, operands: Operands):
        self.operands = {
            name: value.detach().requires_grad_(name in DIFFERENTIATE)
            for name, value in operands.items() if value is not None
        }
        self.function = partial(function, **self.operands)
        self._upstream: Optional[Tensor] = None

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self.function()

    def train(self) -> Sequence[Tensor]:
        output = self.function()
        if self._upstream is None:
            self._upstream = torch.randn_like(output)
        inputs = [t for t in self.operands.values() if t.requires_grad]
        return torch.autograd.grad(output, inputs, self._upstream)


def make_contestant(name: str, case: Case,
                    operands: Operands) -> Contestant:
    """One of the backends, or CHOSEN, UNFOLD or a key of CONVS."""
    if name in CONVS:
        kernel, x = CONVS[name], operands['input']
        geometry = dict(
            case.geometry,
            padding=tuple(d * (kernel // 2) for d in case.dilation))
        shape = (case.out_channels, case.in_channels // case.groups, kernel,
                 kernel)
        # A GPU multiplies equal numbers faster than it does others.
        weight = torch.randn(
            shape, generator=torch.Generator().manual_seed(0)).div(
                (shape[1] * kernel**2)**0.5).to(x.device, x.dtype)
        weight = weight.contiguous(memory_format=memory_format_of(x))
        return Contestant(
            partial(F.conv2d, **geometry), dict(input=x, weight=weight))
    if name == UNFOLD:
        function = reference.adaptive_conv2d
    else:
        backend = None if name == CHOSEN else name
        function = partial(adaptive_conv2d, backend=backend)
    given = {key: operands.get(key) for key in OPERANDS}
    function = partial(function, **case.geometry)
    if given['atom_bases'] is None:
        function = partial(function, atom_bases=None)
    return Contestant(function, given)


def fast_backends(case: Case, operands) -> List[str]:
    """Backends made for speed that serve the case; others are told once."""
    names = []
    for name in available_backends():
        if name in ('export', 'reference'):
            continue
        reason = unsupported_reason(name, operands, case.geometry)
        if reason:
            print(f'{case}: without {name}: {reason}')
        else:
            names.append(name)
    return names


def check(case: Case, operands: Operands,
          names: Sequence[str]) -> None:
    """Compare output and gradients of backends with the reference.

    Raises:
        GateError: If one of them differs.
    """
    exact = {k: v if v is None else v.float() for k, v in operands.items()}
    expected, expected_grads = evaluate(reference.adaptive_conv2d, exact,
                                        case.geometry, DIFFERENTIATE)
    tolerance = TOLERANCES[operands['input'].dtype]
    for name in names:
        backend = None if name == CHOSEN else name
        output, grads = evaluate(
            partial(adaptive_conv2d, backend=backend), operands, case.geometry,
            DIFFERENTIATE)
        errors = dict(output=relative_error(output, expected))
        for operand, grad in grads.items():
            errors[f'gradient of {operand}'] = relative_error(
                grad, expected_grads[operand])
        for what, error in errors.items():
            if not error <= tolerance:  # nor NaN
                raise GateError(
                    f'{case}: the {what} of {name} is wrong, relative error '
                    f'{error:.1e} where {tolerance:.0e} is allowed; nothing '
                    'is timed')

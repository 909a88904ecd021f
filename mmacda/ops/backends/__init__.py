"""The backends: ways to compute adaptive_conv2d, and the rule that chooses.

A backend is a module here that follows :class:`Backend` or
:class:`DifferentiableBackend`, with a row in the table of these.
"""
import logging
import os
import warnings
from functools import lru_cache
from typing import Any, Dict, Optional, Protocol, Sequence, Tuple, Union

import torch
from torch import Tensor

from .. import reference
from ..autocast import is_compiling
from ..geometry import ConvGeometry
from . import export, native, stock, triton
from .triton import fused as triton_fused


class Backend(Protocol):
    """Computes the output, and its gradients from the inputs.

    Tensors have been checked: they fit each other, are on one device and,
    but for the bases, of one dtype. Autocast is off. Shapes and names are
    those of :func:`mmacda.ops.adaptive_conv2d`; ``atom_bases`` None means
    direct atoms, and ``bases.describe`` tells what there is to know of
    others. No tensor is written to.
    """

    def can_run(self, x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
                weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
        """None, or the reason why the call cannot be served: a clause."""

    def forward(self, x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
                weight: Tensor, geometry: ConvGeometry) -> Tensor:
        """Y without bias, (B, C_out, Ho, Wo), a view of nothing."""

    def backward(self, grad_output: Tensor, x: Tensor, alpha: Tensor,
                 atom_bases: Optional[Tensor], weight: Tensor,
                 geometry: ConvGeometry,
                 needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
        """Gradients of x, alpha, bases and weight; None if not needed."""


class DifferentiableBackend(Protocol):
    """Serves any call, with operators that autograd differentiates."""

    def adaptive_conv2d(self, input: Tensor, basis_coefficients: Tensor,
                        atom_bases: Optional[Tensor], weight: Tensor,
                        bias: Optional[Tensor], stride: Any, padding: Any,
                        dilation: Any, groups: int) -> Tensor:
        """Takes and returns what the operator does."""


COMPUTING: Dict[str, Backend] = dict(
    native=native, triton=triton, triton_fused=triton_fused, stock=stock)
DIFFERENTIABLE: Dict[str, DifferentiableBackend] = dict(
    export=export, reference=reference)
BACKENDS: Dict[str, Any] = {**COMPUTING, **DIFFERENTIABLE}
# Those that make coefficients where they compose atoms: they have
# `forward_generated` and `backward_generated` as well, which take hidden maps
# and a generator in place of alpha, and `can_generate`: None, or why not.
GENERATING = ('native', 'triton')
# Those whose `forward` takes a bias (C_out, ) as its last argument, and adds
# it where the product is made.
ADDING = ('triton', )
# Those whose `forward_generated` does so.
ADDING_GENERATED = ('native', )
# Those that read half precision on a CPU as it is, and sum in float32.
HALF = ('native', )
DEPRECATED = ('triton_fused', )
ENVIRONMENT_VARIABLE = 'MMACDA_BACKEND'
# Elements of the unfolded input up to which unfolding is the quicker way
# where only PyTorch serves: 1 MB in float32, and 6 MB with gradients.
SMALL_UNFOLD, SMALL_UNFOLD_WITH_GRADIENTS = 2**18, 3 * 2**19

logger = logging.getLogger('mmacda')


def choose_backend(
    name: Optional[str], x: Tensor, *arguments: Any
) -> Tuple[str, Union[Backend, DifferentiableBackend]]:
    """Name and module of the backend that serves a call.

    A name given by the caller, else by the environment variable
    ``MMACDA_BACKEND``, is binding. Otherwise ONNX export takes the export
    form, other tracing (FLOPs counters, TorchScript) the reference, whose
    matrix products a counter sees, and all else triton on a GPU and native on
    a CPU, where they can run. Where they cannot, stock serves, but for inputs
    so small that its many calls cost more than the reference's unfold.

    Raises:
        ValueError: If the name is unknown or the backend cannot run the call.
    """
    source = 'backend'
    if name is None and ENVIRONMENT_VARIABLE in os.environ:
        name = os.environ[ENVIRONMENT_VARIABLE].strip() or None
        source = ENVIRONMENT_VARIABLE
    if name is None:
        name, why = _choose(x, *arguments)
    else:
        _check_choice(f'{source}={name!r}', name, x, *arguments)
        why = f'{source} names it'
    if not is_compiling():
        _tell(name, why)
    return name, BACKENDS[name]


def prepare_half(name: str, x: Tensor, *others: Tensor) -> Tuple[Tensor, ...]:
    """The tensors in the dtype that a backend computes in.

    PyTorch's half precision products are slow on a CPU: those backends that
    are made of them compute in float32 there.
    """
    if x.device.type != 'cpu' or name in HALF or x.dtype not in (
            torch.half, torch.bfloat16):
        return (x, *others)
    return tuple(t.float() for t in (x, *others))


def prepare_named(backend: Optional[str], x: Tensor,
                  *others: Tensor) -> Tuple[Tensor, ...]:
    """:func:`prepare_half`, of a backend that is named before it is chosen."""
    name = backend or os.environ.get(ENVIRONMENT_VARIABLE, '').strip()
    return prepare_half(name, x, *others) if name else (x, *others)


def _check_choice(choice: str, name: str, *arguments: Any) -> None:
    if name not in BACKENDS:
        raise ValueError(f'{choice} is unknown; supported are '
                         f'{", ".join(map(repr, BACKENDS))}')
    if name in DEPRECATED and not is_compiling():
        _deprecate(name)
    reason = COMPUTING[name].can_run(*arguments) if name in COMPUTING else None
    if reason:
        raise ValueError(f'{choice} cannot run this call: {reason}')


def _choose(x: Tensor, *arguments: Any) -> Tuple[str, str]:
    """Name, and why."""
    if torch.onnx.is_in_onnx_export():
        return 'export', 'an export to ONNX is going on'
    if torch.jit.is_tracing():
        return 'reference', 'the call is being traced'
    fastest = 'triton' if x.device.type == 'cuda' else 'native'
    reason = COMPUTING[fastest].can_run(x, *arguments)
    if reason is None:
        return fastest, f'it is the fastest on a {x.device.type} device'
    why = f'not {fastest}: {reason}'
    if _is_small(x, *arguments) or stock.can_run(x, *arguments):
        return 'reference', why
    return 'stock', why


def _is_small(x, alpha, atom_bases, weight, geometry) -> bool:
    batch, _, taps, height, width = alpha.shape
    if atom_bases is not None:
        taps = atom_bases.shape[1]**2
    size = batch * height * width * taps * x.shape[1]
    if size >= SMALL_UNFOLD_WITH_GRADIENTS:
        return False
    return size < SMALL_UNFOLD or torch.is_grad_enabled() and any(
        t is not None and t.requires_grad
        for t in (x, alpha, atom_bases, weight))


@lru_cache(maxsize=256)
def _tell(name: str, why: str) -> None:
    # That the fastest cannot serve is worth a word.
    level = logging.INFO if why.startswith('not ') else logging.DEBUG
    logger.log(level, 'the %s backend serves: %s', name, why)


@lru_cache(maxsize=None)
def _deprecate(name: str) -> None:
    warnings.warn(
        f"the backend {name!r} goes with the next release: 'triton' serves "
        'the same calls, and in less time',
        FutureWarning,
        stacklevel=2)

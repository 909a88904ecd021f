"""adaptive_conv2d: choice of backend, autograd."""
from typing import Any, Optional, Tuple

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from . import registered_op
from .autocast import call_as_given, cast_inputs, is_compiling
from .backends import (ADDING, BACKENDS, DIFFERENTIABLE, choose_backend,
                       prepare_half, prepare_named)
from .backends.capture import refuse_capture
from .checks import check_dtypes, check_geometry, check_tensors
from .differentiate import differentiate, without_negation
from .geometry import ConvGeometry


class _AdaptiveConv2d(torch.autograd.Function):
    """Keeps only the inputs for backward; the backend recomputes the rest."""

    @staticmethod
    def forward(ctx, x, alpha, atom_bases, weight, geometry, name, *bias):
        ctx.save_for_backward(x, alpha, atom_bases, weight)
        ctx.geometry, ctx.name = geometry, name
        return call_as_given(BACKENDS[name].forward, x, alpha, atom_bases,
                             weight, geometry, *bias)

    @staticmethod
    def backward(ctx, grad_output):
        needs = ctx.needs_input_grad
        grads = differentiate(ctx.name, grad_output, ctx.saved_tensors,
                              ctx.geometry, needs[:4])
        return (grads[0], _with_plain_strides(grads[1]), *grads[2:], None,
                None, *(grad_output.sum((0, 2, 3)) if need else None
                        for need in needs[6:]))


def _with_plain_strides(grad: Optional[Tensor]) -> Optional[Tensor]:
    """The gradient of alpha, copied where a reshape may spoil its strides.

    A reshape gives a dimension of size 1 a stride of its own choice, and on
    CPU the backward of PyTorch's batch norms misreads channels-last gradients
    with one that does not fit: those of a single image.
    """
    if grad is None or 1 not in grad.shape:
        return grad
    return grad.contiguous()


def adaptive_conv2d(input: Tensor,
                    basis_coefficients: Tensor,
                    atom_bases: Optional[Tensor],
                    weight: Tensor,
                    bias: Optional[Tensor] = None,
                    stride=1,
                    padding=0,
                    dilation=1,
                    groups: int = 1,
                    backend: Optional[str] = None) -> Tensor:
    """Convolution whose filters differ at every output pixel.

    At each output pixel the m filter atoms ``D = alpha @ psi`` (Eq. 4) filter
    every input channel (atom convolution, Eq. 5), and ``weight`` combines the
    results (coefficient convolution, Eq. 6).

    Args:
        input (Tensor): x, shape (B, C, H, W), any floating dtype. B may be 0.
        basis_coefficients (Tensor): alpha, shape (B, m, J, Ho, Wo), where
            Ho and Wo follow Conv2d's formula.
        atom_bases (Tensor, optional): psi, shape (J, k, k), k odd. None means
            direct atoms: the coefficients are the taps, J = k * k.
        weight (Tensor): A, shape (C_out, C/groups * m, 1, 1); its channel
            index is ``c * m + atom``.
        bias (Tensor, optional): Shape (C_out, ).
        stride (int | Tuple[int, int]): As in ``F.conv2d``. Default: 1.
        padding (int | Tuple[int, int]): Zeros added to both sides, in pixels.
            Default: 0.
        dilation (int | Tuple[int, int]): As in ``F.conv2d``. Default: 1.
        groups (int): Blocks of channels that do not mix. Default: 1.
        backend (str, optional): One of ``mmacda.ops.available_backends()``.
            None chooses by the inputs. Default: None.

    Returns:
        Tensor: y, shape (B, C_out, Ho, Wo), in the dtype of the input (under
        autocast: in the autocast dtype).

    Raises:
        TypeError: If a tensor is missing, not floating point, or its dtype or
            device differs from the input's.
        ValueError: If a shape, a hyper-parameter or the backend is not
            supported.

    Example:
        >>> x, alpha = torch.rand(1, 8, 9, 9), torch.rand(1, 6, 18, 9, 9)
        >>> weight = torch.rand(4, 8 * 6, 1, 1)
        >>> psi = fourier_bessel_bases((3, 5, 7), 6).float()
        >>> adaptive_conv2d(x, alpha, psi, weight, padding=3).shape
        torch.Size([1, 4, 9, 9])
    """
    given = input, basis_coefficients, atom_bases, weight, bias
    # Subclasses of Tensor, and torch.fx.symbolic_trace.
    if not is_compiling() and has_torch_function(given):
        return handle_torch_function(adaptive_conv2d, given, *given, stride,
                                     padding, dilation, groups, backend)
    tensors = dict(
        input=input,
        basis_coefficients=basis_coefficients,
        weight=weight,
        atom_bases=atom_bases,
        bias=bias)
    check_tensors(tensors)
    geometry = check_geometry(tensors, stride, padding, dilation, groups)
    input, basis_coefficients, weight, bias = cast_inputs(
        input, basis_coefficients, weight, bias)
    check_dtypes(input, basis_coefficients, weight, bias)
    return _run(backend, input, basis_coefficients, atom_bases, weight, bias,
                geometry).to(input.dtype)


def _run(backend: Optional[str], x: Tensor, alpha: Tensor,
         atom_bases: Optional[Tensor], weight: Tensor,
         bias: Optional[Tensor], geometry: ConvGeometry) -> Tensor:
    if registered_op.serves(x, alpha, atom_bases, weight) \
            and backend not in DIFFERENTIABLE:
        return _add(registered_op.apply(x, alpha, atom_bases, weight,
                                        *geometry, backend), bias)
    x, alpha, atom_bases, weight = (
        without_negation(t) for t in (x, alpha, atom_bases, weight))
    x, alpha, weight = prepare_named(backend, x, alpha, weight)
    name, _ = choose_backend(backend, x, alpha, atom_bases, weight, geometry)
    x, alpha, weight = prepare_half(name, x, alpha, weight)
    if name in DIFFERENTIABLE:
        return _add(DIFFERENTIABLE[name].adaptive_conv2d(
            x, alpha, atom_bases, weight, None, *geometry), bias)
    added: Tuple[Tensor, ...] = ()
    if bias is not None and name in ADDING:
        added, bias = (without_negation(bias.to(x.dtype)), ), None
    if torch.is_grad_enabled():
        output = _AdaptiveConv2d.apply(x, alpha, atom_bases, weight, geometry,
                                       name, *added)
    else:
        output = call_as_given(BACKENDS[name].forward, x, alpha, atom_bases,
                               weight, geometry, *added)
    return _add(output, bias)


def _add(output: Tensor, bias: Optional[Tensor]) -> Tensor:
    return output if bias is None \
        else output + bias.to(output.dtype)[:, None, None]


def warm_up(*arguments: Any, **options: Any) -> None:
    """Make a call once, forward and backward, and throw the result away.

    On a GPU a call's first time compiles kernels, tries them and fills
    caches, which cannot happen while a CUDA graph is captured. After this the
    same call can be captured: with the same shapes, strides, dtypes and
    device.

    Args:
        *arguments (Any): Those of :func:`adaptive_conv2d`.
        **options (Any): Likewise.

    Raises:
        RuntimeError: If a CUDA graph is being captured.
    """
    refuse_capture('a warm-up is to precede that')

    def detached(value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.requires_grad:
            return value  # the same one: bases are known by it
        return value.detach().requires_grad_()

    arguments = tuple(map(detached, arguments))
    options = {name: detached(value) for name, value in options.items()}
    with torch.no_grad():
        adaptive_conv2d(*arguments, **options)
    leaves = [value for value in (*arguments, *options.values())
              if isinstance(value, Tensor) and value.requires_grad]
    if leaves:
        with torch.enable_grad():
            output = adaptive_conv2d(*arguments, **options)
        torch.autograd.grad(output, leaves, torch.zeros_like(output))


def available_backends() -> tuple:
    """Names that ``backend=`` accepts."""
    return tuple(BACKENDS)

"""adaptive_conv2d with coefficients that are made on the fly."""
from typing import Any, Optional

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .autocast import autocast_dtype, is_compiling
from .backends import GENERATING, choose_backend
from .checks import check_dtypes, check_geometry, check_tensors
from .functional import adaptive_conv2d
from .generator import Generator


class _GeneratedConv2d(torch.autograd.Function):
    """Keeps only the inputs for backward; the backend recomputes the rest."""

    @staticmethod
    def forward(ctx, x, hidden, matrix, weight, atom_bases, generator,
                geometry, backend):
        ctx.save_for_backward(x, hidden, matrix, weight, atom_bases)
        ctx.options = generator[1:3], geometry, backend
        return backend.forward_generated(x, hidden, generator, atom_bases,
                                         weight, geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        x, hidden, matrix, weight, atom_bases = ctx.saved_tensors
        options, geometry, backend = ctx.options
        grads = backend.backward_generated(
            grad_output, x, hidden, Generator(matrix, *options), atom_bases,
            weight, geometry, ctx.needs_input_grad[:4])
        return (*grads, None, None, None, None)


def adaptive_conv2d_generated(input: Tensor,
                              hidden: Tensor,
                              generator: Generator,
                              atom_bases: Optional[Tensor],
                              weight: Tensor,
                              bias: Optional[Tensor] = None,
                              stride: Any = 1,
                              padding: Any = 0,
                              dilation: Any = 1,
                              groups: int = 1,
                              backend: Optional[str] = None) -> Tensor:
    """:func:`adaptive_conv2d` of coefficients made at each pixel.

    Where the last layer of the atom generator is pointwise, a pixel's
    coefficients are ``act(matrix @ [h; 1])`` of its hidden values ``h``. A
    backend that makes them where it composes the atoms never holds
    ``alpha``, the largest tensor of a narrow layer; the others make it first.

    Args:
        input (Tensor): x, shape (B, C, H, W), any floating dtype.
        hidden (Tensor): h, shape (B, H', Ho, Wo), where Ho and Wo follow
            Conv2d's formula.
        generator (Generator): Matrix (m * J, H' + 1) and activation.
        atom_bases (Tensor, optional): psi, as for :func:`adaptive_conv2d`.
        weight (Tensor): A, shape (C_out, C/groups * m, 1, 1).
        bias (Tensor, optional): Shape (C_out, ).
        stride (int | Tuple[int, int]): Default: 1.
        padding (int | Tuple[int, int]): Default: 0.
        dilation (int | Tuple[int, int]): Default: 1.
        groups (int): Default: 1.
        backend (str, optional): Default: None.

    Returns:
        Tensor: y, shape (B, C_out, Ho, Wo): that of
        ``adaptive_conv2d(input, generator.coefficients(hidden), ...)``.

    Raises:
        TypeError: If a tensor is missing, not floating point, or its dtype or
            device differs from the input's.
        ValueError: If a shape, a hyper-parameter or the backend is not
            supported.
    """
    geometry = (stride, padding, dilation, groups)
    _check_generator(generator, hidden)
    module = None
    if not _is_looked_at(input):
        module = _choose(backend, input, hidden, generator, atom_bases,
                         weight, bias, geometry)
    if module is None:
        return adaptive_conv2d(input, generator.coefficients(hidden),
                               atom_bases, weight, bias, *geometry,
                               backend=backend)
    module, geometry = module
    if torch.is_grad_enabled():
        output = _GeneratedConv2d.apply(input, hidden, generator.matrix,
                                        weight, atom_bases, generator,
                                        geometry, module)
    else:
        output = module.forward_generated(input, hidden, generator,
                                          atom_bases, weight, geometry)
    return output if bias is None else output + bias[:, None, None]


def _is_looked_at(x: Tensor) -> bool:
    """Whether a tracer, a compiler or autocast wants the plain way."""
    return torch.jit.is_tracing() or is_compiling() \
        or autocast_dtype(x.device.type) is not None


def _check_generator(generator: Generator, hidden: Tensor) -> None:
    shape, atoms = tuple(generator.matrix.shape), generator.num_atoms
    channels = hidden.shape[1] if hidden.dim() == 4 else None
    if channels is None or len(shape) != 2 or shape[1] != channels + 1 \
            or atoms < 1 or shape[0] % atoms:
        raise ValueError(
            'the generator must hold a matrix (m * J, H + 1) for hidden maps '
            f'(B, H, Ho, Wo), but got {shape} for m = {atoms} and '
            f'{tuple(hidden.shape)}')


def _choose(backend, x, hidden, generator, atom_bases, weight, bias,
            geometry) -> Optional[tuple]:
    """The backend that makes coefficients itself, and the geometry."""
    tensors = dict(
        input=x, basis_coefficients=hidden, weight=weight,
        atom_bases=atom_bases, bias=bias)
    check_tensors(tensors)
    if x.dtype not in (torch.float32, ) or x.dtype != hidden.dtype:
        return None
    check_dtypes(x, hidden, weight, bias)
    # A view that has the shape of alpha, for the checks of shapes.
    rows, atoms = len(generator.matrix), generator.num_atoms
    alpha = hidden[:, :1, None].expand(-1, atoms, rows // atoms, -1, -1)
    tensors['basis_coefficients'] = alpha
    checked = check_geometry(tensors, *geometry)
    if atom_bases is not None and atom_bases.requires_grad:
        return None
    name, module = choose_backend(backend, x, alpha, atom_bases, weight,
                                  checked)
    return (module, checked) if name in GENERATING else None

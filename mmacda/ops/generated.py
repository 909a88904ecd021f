"""adaptive_conv2d with coefficients that are made on the fly."""
from typing import Any, Optional, Tuple

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from .autocast import autocast_dtype, cast_inputs, is_compiling
from .backends import ADDING_GENERATED, BACKENDS, GENERATING, choose_backend
from .checks import check_dtype, check_dtypes, check_geometry, check_tensors
from .differentiate import differentiate_memory, without_negation
from .functional import adaptive_conv2d
from .generator import Generator
from .geometry import ConvGeometry
from .tracing import is_looked_at, is_recorded, is_transformed

HALF_TYPES = (torch.bfloat16, torch.float16)


class _GeneratedConv2d(torch.autograd.Function):
    """Keeps only the inputs for backward; the backend recomputes the rest."""

    @staticmethod
    def forward(ctx, x, hidden, matrix, weight, atom_bases, generator,
                geometry, name):
        ctx.save_for_backward(x, hidden, matrix, weight, atom_bases)
        ctx.options = generator[1:3], geometry, name
        return BACKENDS[name].forward_generated(x, hidden, generator,
                                                atom_bases, weight, geometry)

    @staticmethod
    def backward(ctx, grad_output):
        tensors = x, hidden, matrix, weight, atom_bases = ctx.saved_tensors
        options, geometry, name = ctx.options
        needs = ctx.needs_input_grad[:4]
        if is_recorded(grad_output, *tensors) and not is_transformed():
            grads = _differentiate_plainly(grad_output, tensors, options,
                                           geometry, name, needs)
        else:
            grads = differentiate_memory(
                BACKENDS[name].backward_generated, grad_output, tensors, x,
                hidden, Generator(matrix, *options), atom_bases, weight,
                geometry, needs)
        return (*grads, None, None, None, None)


def _differentiate_plainly(grad_output, tensors, options, geometry, name,
                           needs) -> tuple:
    """With operators that are seen by what records or replaces them."""
    leaves = [tensor.detach().requires_grad_(need)
              for tensor, need in zip(tensors, needs)]
    x, hidden, matrix, weight = leaves
    with torch.enable_grad():
        alpha = Generator(matrix.to(x.dtype),
                          *options).coefficients(hidden)
        output = adaptive_conv2d(x, alpha, tensors[4], weight.to(x.dtype),
                                 None, **geometry._asdict(), backend=name)
    found = iter(torch.autograd.grad(
        output, [leaf for leaf in leaves if leaf.requires_grad], grad_output))
    return tuple(next(found) if need else None for need in needs)


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
    given = (input, hidden, generator.matrix, generator.hidden_norm,
             generator.first, atom_bases, weight, bias)
    # Subclasses of Tensor, and torch.fx.symbolic_trace.
    if not is_compiling() and has_torch_function(given):
        return handle_torch_function(adaptive_conv2d_generated, given, input,
                                     hidden, generator, atom_bases, weight,
                                     bias, *geometry, backend)
    check_tensors(
        dict(
            input=input,
            hidden=hidden,
            matrix=generator.matrix,
            weight=weight,
            atom_bases=atom_bases,
            bias=bias))
    if autocast_dtype(input.device.type) is None:
        check_dtype('hidden', hidden, input.dtype)
        for name, tensor in zip(('matrix', 'hidden_norm', 'first'),
                                given[2:5]):
            if not (input.dtype in HALF_TYPES and tensor is not None
                    and tensor.dtype == torch.float32):
                check_dtype(name, tensor, input.dtype)
    _check_generator(generator, hidden)
    choice = None
    if not (is_looked_at(*given) or _is_for_autograd(generator, atom_bases)):
        input, hidden, matrix, weight = (
            without_negation(t)
            for t in (input, hidden, generator.matrix, weight))
        generator = generator._replace(matrix=matrix)
        input, hidden = cast_inputs(input, hidden)
        choice = _choose(backend, input, hidden, generator, atom_bases,
                         weight, bias, geometry)
    if choice is None:
        if input.dtype in HALF_TYPES:
            generator = generator.to(input.dtype)
        return adaptive_conv2d(input, generator.coefficients(hidden),
                               atom_bases, weight, bias, *geometry,
                               backend=backend)
    name, checked = choice
    if torch.is_grad_enabled():
        output = _GeneratedConv2d.apply(input, hidden, generator.matrix,
                                        weight, atom_bases, generator,
                                        checked, name)
    else:
        added: tuple = ()
        if name in ADDING_GENERATED and input.dtype not in HALF_TYPES:
            added, bias = (bias, ), None
        output = BACKENDS[name].forward_generated(
            input, hidden, generator, atom_bases, weight, checked, *added)
    return output if bias is None else \
        output + bias.to(output.dtype)[:, None, None]


def _is_for_autograd(generator: Generator,
                     atom_bases: Optional[Tensor]) -> bool:
    """Whether gradients are wanted that no backend computes itself."""
    return torch.is_grad_enabled() and (
        generator.hidden_norm is not None or generator.first is not None
        or atom_bases is not None and atom_bases.requires_grad)


def _check_generator(generator: Generator, hidden: Tensor) -> None:
    shape, atoms = tuple(generator.matrix.shape), generator.num_atoms
    channels = hidden.shape[1] if hidden.dim() == 4 else None
    if generator.first is not None and channels is not None:
        first = tuple(generator.first.shape)
        if len(first) != 2 or first[1] != channels + 1:
            raise ValueError(
                'the first layer of the generator must be a matrix '
                f'(H, C + 1) for maps (B, C, Ho, Wo), but got {first} for '
                f'{tuple(hidden.shape)}')
        channels = first[0]
    if channels is None or len(shape) != 2 or shape[1] != channels + 1 \
            or atoms < 1 or shape[0] % atoms:
        raise ValueError(
            'the generator must hold a matrix (m * J, H + 1) for hidden maps '
            f'(B, H, Ho, Wo), but got {shape} for m = {atoms} and '
            f'{tuple(hidden.shape)}')


def _choose(backend, x, hidden, generator, atom_bases, weight, bias,
            geometry) -> Optional[Tuple[str, ConvGeometry]]:
    """The backend that makes coefficients itself, and the geometry."""
    if x.dtype not in (torch.float32, *HALF_TYPES) \
            or hidden.dtype != x.dtype:
        return None
    if autocast_dtype(x.device.type) is None:
        check_dtypes(x, x, weight, bias)
    elif torch.float64 in (weight.dtype, bias is not None and bias.dtype):
        return None  # others are summed in float32, whatever they are in
    # A view that has the shape of alpha, for the checks of shapes.
    rows, atoms = len(generator.matrix), generator.num_atoms
    alpha = hidden[:, :1, None].expand(-1, atoms, rows // atoms, -1, -1)
    checked = check_geometry(
        dict(
            input=x,
            basis_coefficients=alpha,
            weight=weight,
            atom_bases=atom_bases,
            bias=bias), *geometry)
    name, _ = choose_backend(backend, x, alpha, atom_bases, weight, checked)
    if name not in GENERATING or BACKENDS[name].can_generate(x, generator):
        return None
    return name, checked

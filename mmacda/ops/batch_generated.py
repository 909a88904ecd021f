"""adaptive_conv2d whose generator's norms use the statistics of the batch."""
from typing import Any, NamedTuple, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import native
from .backends.native.batch import Affine, Batch
from .backends.native.norms import is_readable
from .checks import check_dtypes, check_geometry
from .differentiate import differentiate_memory
from .functional import adaptive_conv2d
from .geometry import ConvGeometry
from .tracing import is_recorded, is_transformed


class BatchGenerator(NamedTuple):
    """An atom generator in training.

    ``alpha = act(norm2(W tanh(norm1(maps))))`` (Section A.3), where both
    norms are batch norms with the statistics of ``maps``.

    Attributes:
        first_weight (Tensor, optional): Of a pointwise first convolution
            without padding, shape (H, C, 1, 1): ``maps`` are then made of
            the input. None: they are given.
        first (Affine): norm1.
        weight (Tensor): W, shape (m * J, H, 1, 1).
        second (Affine): norm2.
        num_atoms (int): m.
        tanh (bool): Whether act is Tanh; else there is none.
    """
    first_weight: Optional[Tensor]
    first: Affine
    weight: Tensor
    second: Affine
    num_atoms: int
    tanh: bool

    def coefficients(self, maps: Tensor) -> Tensor:
        """alpha (B, m, J, Ho, Wo) of maps (B, H, Ho, Wo)."""
        hidden = self._norm(maps, self.first).tanh()
        alpha = self._norm(F.conv2d(hidden, self.weight), self.second)
        if self.tanh:
            alpha = alpha.tanh()
        return alpha.unflatten(
            1, (self.num_atoms, alpha.shape[1] // self.num_atoms))

    @staticmethod
    def _norm(maps: Tensor, norm: Affine) -> Tensor:
        return F.batch_norm(maps, None, None, norm.gamma, norm.beta, True,
                            0., norm.eps)

    @property
    def parameters(self) -> Tuple[Optional[Tensor], ...]:
        return (self.first_weight, self.first.gamma, self.first.beta,
                self.weight, self.second.gamma,
                self.second.beta)

    def is_whole(self) -> bool:
        """Whether the parameters fit each other, and C can read them."""
        rows, hidden = self.weight.shape[:2]
        sizes = hidden, hidden, rows * hidden, rows, rows
        first = self.first_weight
        return all(map(is_readable, self.parameters)) and all(
            tensor is None or tensor.numel() == size
            for tensor, size in zip(self.parameters[1:], sizes)) and (
                first is None or len(first) == hidden)

    def replaced(self, parameters: Sequence) -> 'BatchGenerator':
        first, gamma1, beta1, weight, gamma2, beta2 = parameters
        return self._replace(
            first_weight=first,
            first=self.first._replace(gamma=gamma1, beta=beta1),
            weight=weight,
            second=self.second._replace(gamma=gamma2, beta=beta2))


class _BatchGeneratedConv2d(torch.autograd.Function):
    """Keeps input and maps for backward, which recomputes the rest."""

    @staticmethod
    def forward(ctx, x, maps, weight, bases, geometry, size, generator,
                *parameters):
        output, made, batch = _compute(x, maps, weight, bases, geometry, size,
                                       generator)
        ctx.save_for_backward(x, made if maps is None else maps, weight,
                              bases, *parameters)
        ctx.options = geometry, generator.replaced((None, ) * 6), batch
        ctx.mark_non_differentiable(batch.moments)
        ctx.set_materialize_grads(False)
        return output, batch.moments

    @staticmethod
    def backward(ctx, grad_output, *_):
        x, maps, weight, bases, *parameters = tensors = ctx.saved_tensors
        geometry, generator, batch = ctx.options
        generator = generator.replaced(parameters)
        needs = ctx.needs_input_grad
        if grad_output is None:
            return (None, ) * len(needs)
        if is_recorded(grad_output, *tensors) and not is_transformed():
            return _differentiate_plainly(grad_output, tensors, geometry,
                                          generator, needs)
        grad_x, grad_maps, grad_weight, *grads = differentiate_memory(
            _differentiate, grad_output, tensors, x, maps, weight, bases,
            geometry, generator, batch,
            (needs[0], needs[1] or any(needs[7:10]), any(needs[10:]),
             needs[2]))
        return (grad_x, grad_maps if needs[1] else None, grad_weight, None,
                None, None, None, *grads)


def _compute(x: Tensor, maps: Optional[Tensor], weight: Tensor,
             bases: Optional[Tensor], geometry: ConvGeometry,
             size: Tuple[int, int],
             generator: BatchGenerator) -> Tuple[Tensor, Tensor, Batch]:
    return native.forward_batch(
        x, maps, generator.num_atoms, generator.tanh, generator.first_weight,
        generator.first, generator.weight, generator.second, bases, weight,
        geometry, size)


def _differentiate(grad_output, x, maps, weight, bases, geometry, generator,
                   batch, needs) -> tuple:
    grad_x, grad_maps, grads, grad_weight = native.backward_batch(
        grad_output, x, maps, generator.num_atoms, generator.tanh,
        generator.first_weight, generator.first, generator.weight,
        generator.second, batch, bases, weight, geometry, needs)
    return (grad_x, grad_maps, grad_weight, *grads)


def _differentiate_plainly(grad_output, tensors, geometry, generator,
                           needs) -> tuple:
    """With operators that are seen by what records or replaces them."""
    needs = [*needs[:3], False, *needs[7:]]
    leaves: list = [
        tensor if tensor is None else tensor.detach().requires_grad_(need)
        for tensor, need in zip(tensors, needs)
    ]
    x, maps, weight, bases, *parameters = leaves
    generator = generator.replaced(parameters)
    with torch.enable_grad():
        if generator.first_weight is not None:
            maps = F.conv2d(x, generator.first_weight, None, geometry.stride)
        output = adaptive_conv2d(x, generator.coefficients(maps), bases,
                                 weight, None, **geometry._asdict(),
                                 backend='native')
    found = iter(torch.autograd.grad(
        output, [leaf for leaf, need in zip(leaves, needs) if need],
        grad_output))
    grads = [next(found) if need else None for need in needs]
    return (*grads[:3], None, None, None, None, *grads[4:])


def serves_batch(x: Tensor, size: Tuple[int, int],
                 generator: BatchGenerator, bases: Optional[Tensor],
                 weight: Tensor, bias: Optional[Tensor],
                 geometry: ConvGeometry) -> bool:
    """Whether the native backend takes a call of plain tensors.

    Raises:
        TypeError: If dtypes or devices differ.
        ValueError: If shapes do not fit.
    """
    if not generator.is_whole():
        return False
    # Stands for alpha, for the checks of shapes.
    atoms, rows = generator.num_atoms, len(generator.weight)
    alpha = x.new_empty(()).expand(x.shape[0], atoms, rows // atoms, *size)
    check_dtypes(x, x, weight, bias)
    check_geometry(
        dict(
            input=x,
            basis_coefficients=alpha,
            weight=weight,
            atom_bases=bases,
            bias=bias), *geometry)
    return native.can_run(x, alpha, bases, weight, geometry) is None


def adaptive_conv2d_batch_generated(
        input: Tensor, maps: Optional[Tensor], generator: BatchGenerator,
        atom_bases: Optional[Tensor], weight: Tensor, bias: Optional[Tensor],
        geometry: ConvGeometry,
        size: Tuple[int, int]) -> Tuple[Tensor, Tensor]:
    """:func:`adaptive_conv2d` of coefficients made at each pixel, in training.

    Neither hidden maps nor coefficients are in memory, forward or backward.
    For callers that have checked what they pass: plain float32 tensors on a
    CPU that fit each other, for which the native backend serves.

    Args:
        input (Tensor): x, shape (B, C, H, W).
        maps (Tensor, optional): Of the generator's first convolution, shape
            (B, H', Ho, Wo), of more than one pixel; None if the generator
            makes them.
        generator (BatchGenerator): The atom generator, or its rest.
        atom_bases (Tensor, optional): psi, as for :func:`adaptive_conv2d`.
        weight (Tensor): A, shape (C_out, C/groups * m, 1, 1).
        bias (Tensor, optional): Shape (C_out, ).
        geometry (ConvGeometry): Stride, padding, dilation and groups.
        size (Tuple[int, int]): Ho and Wo.

    Returns:
        Tuple: The output y (B, C_out, Ho, Wo); and means (H', ) and unbiased
        variances (H', ) of the first norm's maps, then those (m * J, ) of the
        second's, one after the other.
    """
    arguments: Any = (input, maps, weight, atom_bases, geometry, size,
                      generator)
    if torch.is_grad_enabled():
        output, moments = _BatchGeneratedConv2d.apply(
            *arguments, *generator.parameters)
    else:
        output, _, batch = _compute(*arguments)
        moments = batch.moments
    if bias is not None:
        output = output + bias[:, None, None]
    return output, moments

"""adaptive_conv2d whose generator's norms use the statistics of the batch."""
from typing import Any, NamedTuple, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import native
from .backends.native.batch import Affine, Batch
from .checks import check_dtypes, check_geometry
from .differentiate import differentiate_memory
from .functional import adaptive_conv2d
from .geometry import ConvGeometry
from .tracing import is_recorded, is_transformed

Moments = Tuple[Tensor, Tensor, Tensor, Tensor]


class BatchGenerator(NamedTuple):
    """All of an atom generator but its first convolution, in training.

    ``alpha = act(norm2(W tanh(norm1(maps))))`` (Section A.3), where both
    norms are batch norms with the statistics of ``maps``.

    Attributes:
        first (Affine): norm1.
        weight (Tensor): W, shape (m * J, H, 1, 1).
        second (Affine): norm2.
        num_atoms (int): m.
        tanh (bool): Whether act is Tanh; else there is none.
    """
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
        return (self.first.gamma, self.first.beta, self.weight,
                self.second.gamma, self.second.beta)

    def replaced(self, parameters: Sequence) -> 'BatchGenerator':
        gamma1, beta1, weight, gamma2, beta2 = parameters
        return self._replace(
            first=self.first._replace(gamma=gamma1, beta=beta1),
            weight=weight,
            second=self.second._replace(gamma=gamma2, beta=beta2))


class _BatchGeneratedConv2d(torch.autograd.Function):
    """Keeps input and maps for backward, which recomputes the rest."""

    @staticmethod
    def forward(ctx, x, maps, weight, bases, geometry, generator,
                *parameters):
        output, batch = _compute(x, maps, weight, bases, geometry, generator)
        ctx.save_for_backward(x, maps, weight, bases, *parameters)
        ctx.options = geometry, generator.replaced((None, ) * 5), batch
        ctx.mark_non_differentiable(*batch.moments)
        ctx.set_materialize_grads(False)
        return (output, *batch.moments)

    @staticmethod
    def backward(ctx, grad_output, *_):
        x, maps, weight, bases, *parameters = tensors = ctx.saved_tensors
        geometry, generator, batch = ctx.options
        generator = generator.replaced(parameters)
        need_x, need_maps, need_weight, *_ = ctx.needs_input_grad
        need_first, need_second = map(any, (ctx.needs_input_grad[6:8],
                                            ctx.needs_input_grad[8:]))
        if grad_output is None:
            return (None, ) * len(ctx.needs_input_grad)
        if is_recorded(grad_output, *tensors) and not is_transformed():
            return _differentiate_plainly(grad_output, tensors, geometry,
                                          generator, ctx.needs_input_grad)
        grad_x, grad_maps, grad_weight, *grads = differentiate_memory(
            _differentiate, grad_output, tensors, x, maps, weight, bases,
            geometry, generator, batch,
            (need_x, need_maps or need_first, need_second, need_weight))
        return (grad_x, grad_maps, grad_weight, None, None, None, *grads)


def _compute(x: Tensor, maps: Tensor, weight: Tensor,
             bases: Optional[Tensor], geometry: ConvGeometry,
             generator: BatchGenerator) -> Tuple[Tensor, Batch]:
    return native.forward_batch(x, maps, generator.num_atoms, generator.tanh,
                                generator.weight, generator.first,
                                generator.second, bases, weight, geometry)


def _differentiate(grad_output, x, maps, weight, bases, geometry, generator,
                   batch, needs) -> tuple:
    grad_x, grad_maps, grads, grad_weight = native.backward_batch(
        grad_output, x, maps, generator.num_atoms, generator.tanh,
        generator.weight, generator.first, generator.second, batch, bases,
        weight, geometry, needs)
    return (grad_x, grad_maps, grad_weight, *grads)


def _differentiate_plainly(grad_output, tensors, geometry, generator,
                           needs) -> tuple:
    """With operators that are seen by what records or replaces them."""
    needs = [*needs[:3], False, *needs[6:]]
    leaves = [
        tensor if tensor is None else tensor.detach().requires_grad_(need)
        for tensor, need in zip(tensors, needs)
    ]
    x, maps, weight, bases, *parameters = leaves
    with torch.enable_grad():
        alpha = generator.replaced(parameters).coefficients(maps)
        output = adaptive_conv2d(x, alpha, bases, weight, None,
                                 **geometry._asdict(), backend='native')
    found = iter(torch.autograd.grad(
        output, [leaf for leaf, need in zip(leaves, needs) if need],
        grad_output))
    grads = [next(found) if need else None for need in needs]
    return (*grads[:3], None, None, None, *grads[4:])


def serves_batch(x: Tensor, maps: Tensor, num_atoms: int,
                 coefficients: int, bases: Optional[Tensor], weight: Tensor,
                 bias: Optional[Tensor], geometry: ConvGeometry) -> bool:
    """Whether the native backend takes a call of plain tensors.

    Raises:
        TypeError: If dtypes or devices differ.
        ValueError: If shapes do not fit.
    """
    # A view that has the shape of alpha, for the checks of shapes.
    alpha = maps[:, :1, None].expand(-1, num_atoms, coefficients, -1, -1)
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
        input: Tensor, maps: Tensor, generator: BatchGenerator,
        atom_bases: Optional[Tensor], weight: Tensor, bias: Optional[Tensor],
        geometry: ConvGeometry) -> Tuple[Tensor, Moments]:
    """:func:`adaptive_conv2d` of coefficients made at each pixel, in training.

    Neither hidden maps nor coefficients are in memory, forward or backward.
    For callers that have checked what they pass: plain float32 tensors on a
    CPU that fit each other, for which the native backend serves.

    Args:
        input (Tensor): x, shape (B, C, H, W).
        maps (Tensor): Of the generator's first convolution, shape
            (B, H', Ho, Wo), of more than one pixel.
        generator (BatchGenerator): The rest of the atom generator.
        atom_bases (Tensor, optional): psi, as for :func:`adaptive_conv2d`.
        weight (Tensor): A, shape (C_out, C/groups * m, 1, 1).
        bias (Tensor, optional): Shape (C_out, ).
        geometry (ConvGeometry): Stride, padding, dilation and groups.

    Returns:
        Tuple: The output y (B, C_out, Ho, Wo); and means and biased variances
        (float64) of the first and of the second norm.
    """
    arguments: Any = input, maps, weight, atom_bases, geometry, generator
    if torch.is_grad_enabled():
        output, *moments = _BatchGeneratedConv2d.apply(
            *arguments, *generator.parameters)
    else:
        output, batch = _compute(*arguments)
        moments = batch.moments
    if bias is not None:
        output = output + bias[:, None, None]
    return output, tuple(moments)

"""A whole adaptive layer in evaluation by one call, for small maps.

What PyTorch's operators, checks and ctypes cost per call is more than the
work on a map of a few hundred pixels.
"""
import ctypes
from functools import lru_cache
from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .backends import native
from .backends.bases import describe
from .backends.native.half import STORAGES
from .backends.native.norms import is_readable
from .backends.native.plan import Plan
from .checks import check_geometry_of
from .geometry import ConvGeometry


class Evaluated(NamedTuple):
    """A pointwise convolution and its batch norm in evaluation.

    Attributes:
        weight (Tensor): Shape (N, C, 1, 1).
        mean (Tensor): Shape (N, ), running.
        variance (Tensor): Shape (N, ), running.
        gamma (Tensor, optional): Shape (N, ).
        beta (Tensor, optional): Shape (N, ).
        eps (float): Of the norm.
    """
    weight: Tensor
    mean: Tensor
    variance: Tensor
    gamma: Optional[Tensor]
    beta: Optional[Tensor]
    eps: float

    def is_whole(self) -> bool:
        """Whether C can read it."""
        rows = len(self.weight)
        return is_readable(self.weight) and all(
            tensor is None or is_readable(tensor) and tensor.numel() == rows
            for tensor in self[1:5])


_Pointers = ctypes.c_void_p * 4


def adaptive_conv2d_evaluated(x: Tensor, first: Evaluated, second: Evaluated,
                              num_atoms: int, tanh: bool,
                              atom_bases: Optional[Tensor], weight: Tensor,
                              bias: Optional[Tensor],
                              geometry: ConvGeometry) -> Optional[Tensor]:
    """The output of a layer, without gradients; None where C cannot serve.

    ``adaptive_conv2d(x, act(second(tanh(first(x)))), ...)`` of a plain tensor
    on a CPU.

    Args:
        x (Tensor): Shape (B, C, H, W).
        first (Evaluated): Of the generator, in front of a Tanh; at the
            pixels of the output.
        second (Evaluated): Of the generator, N = m * J.
        num_atoms (int): m.
        tanh (bool): Whether Tanh follows the second one.
        atom_bases (Tensor, optional): psi, as for :func:`adaptive_conv2d`.
        weight (Tensor): A, shape (C_out, C/groups * m, 1, 1).
        bias (Tensor, optional): Shape (C_out, ).
        geometry (ConvGeometry): Stride, padding, dilation and groups.

    Returns:
        Tensor: y (B, C_out, Ho, Wo), or None.

    Raises:
        ValueError: If a shape does not fit.
    """
    if not (x.numel() and is_readable(weight) and is_readable(bias)
            and first.is_whole() and second.is_whole()):
        return None
    form = native.memory_format_of(x)
    if not x.is_contiguous(memory_format=form) or native.is_unavailable():
        return None
    rows, hidden = second.weight.shape[:2]
    call = _plan(
        tuple(x.shape), x.stride(), tuple(first.weight.shape), hidden, rows,
        num_atoms, tanh, None if atom_bases is None else atom_bases.shape,
        describe(atom_bases, rows // num_atoms), weight.shape,
        None if bias is None else bias.shape, geometry, form)
    if call is None:
        return None
    plan, shape = call
    y = torch.empty(shape, memory_format=form)
    functions, launcher = native.library()
    threads = plan.threads()
    memory = plan.memory(functions.mmacda_evaluated_floats, threads)
    functions.mmacda_evaluated(
        plan.address, x.data_ptr(), first.weight.data_ptr(), _norm(first),
        first.eps, second.weight.data_ptr(), _norm(second), second.eps,
        weight.data_ptr(), None if bias is None else bias.data_ptr(),
        y.data_ptr(), memory.data_ptr(), threads, launcher)
    return y


def _norm(layer: Evaluated) -> ctypes.Array:
    return _Pointers(*(t if t is None else t.data_ptr() for t in layer[1:5]))


@lru_cache(maxsize=256)
def _plan(x_shape, x_strides, first_shape, hidden, rows, atoms, tanh,
          bases_shape, description, weight_shape, bias_shape,
          geometry: ConvGeometry,
          form) -> Optional[Tuple[Plan, tuple]]:
    """Plan and output's shape of a call that fits; None: others serve it."""
    kernel = round((rows // atoms)**0.5) if bases_shape is None \
        else bases_shape[2]
    size = geometry.output_size(x_shape[2:], kernel)
    shapes = dict(
        input=x_shape,
        basis_coefficients=(x_shape[0], atoms, rows // atoms, *size),
        weight=weight_shape)
    if bases_shape is not None:
        shapes['atom_bases'] = bases_shape
    if bias_shape is not None:
        shapes['bias'] = bias_shape
    check_geometry_of(shapes, *geometry)
    steps = geometry.stride
    reach = tuple((n - 1) // s + 1 for n, s in zip(x_shape[2:], steps))
    if first_shape[:2] != (hidden, x_shape[1]) or reach != size \
            or native.find_excess_of(size, kernel, geometry):
        return None
    y_shape = x_shape[0], weight_shape[0], *size
    y_strides = torch.empty(
        y_shape, device='meta', memory_format=form).stride()
    maps_strides = (*x_strides[:2], x_strides[2] * steps[0],
                    x_strides[3] * steps[1])
    plan = Plan(x_shape, x_strides, (x_shape[0], x_shape[1], *size),
                maps_strides, y_strides, weight_shape[0], atoms, geometry,
                description, rows, hidden, tanh + 2, STORAGES[torch.float32])
    return plan, y_shape

"""Whether tensors and arguments fit each other, in clear words."""
from functools import lru_cache
from typing import Any, Dict, Optional

import torch
from torch import Tensor

from .autocast import is_compiling
from .geometry import ConvGeometry

FORMS = dict(
    input='(B, C, H, W)',
    basis_coefficients='(B, m, J, Ho, Wo)',
    atom_bases='(J, k, k)',
    weight='(C_out, C/groups * m, 1, 1)',
    bias='(C_out, )')


def check_tensors(tensors: Dict[str, Optional[Tensor]]) -> None:
    """Floating point tensors on one device.

    Raises:
        TypeError: If one is not.
    """
    device = None  # the input's: it comes first
    for name, tensor in tensors.items():
        if tensor is None and name in ('atom_bases', 'bias'):
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f'{name} must be a torch.Tensor, but got '
                            f'{type(tensor).__name__}')
        if not tensor.is_floating_point():
            raise TypeError(f'{name} must have a floating point dtype, but '
                            f'got {tensor.dtype}')
        if tensor.element_size() < 2:
            raise TypeError(f'{name} has dtype {tensor.dtype}, which is for '
                            'storing: convert it to 16 bits or more')
        if tensor.layout is not torch.strided:
            raise TypeError(f'{name} must be a dense tensor, but its layout '
                            f'is {tensor.layout}: call to_dense() on it')
        device = device or tensor.device
        if tensor.device != device:
            raise TypeError(f'{name} is on {tensor.device}, but input is on '
                            f'{device}: move both to one device')


def check_dtypes(x, alpha, weight, bias) -> None:
    """All in the dtype of the input; the bases may have another.

    Raises:
        TypeError: If one is not.
    """
    for name, tensor in (('basis_coefficients', alpha), ('weight', weight),
                         ('bias', bias)):
        check_dtype(name, tensor, x.dtype)


def check_dtype(name: str, tensor: Optional[Tensor],
                dtype: torch.dtype) -> None:
    """That of the input.

    Raises:
        TypeError: If it is not.
    """
    if tensor is not None and tensor.dtype != dtype:
        raise TypeError(f'{name} has dtype {tensor.dtype}, but input has '
                        f'{dtype}: convert one of them')


def check_geometry(tensors: Dict[str, Optional[Tensor]],
                   *arguments: Any) -> ConvGeometry:
    """The geometry of stride, padding, dilation and groups.

    Raises:
        ValueError: If one is out of range or a tensor's shape does not fit.
    """
    if torch.jit.is_tracing():  # sizes are tensors there
        return ConvGeometry.checked(*arguments)
    shapes = tuple((name, tensor.shape) for name, tensor in tensors.items()
                   if tensor is not None)
    if is_compiling():  # which looks through caches
        return check_geometry_of(shapes, *arguments)
    try:
        return _check_once(
            shapes,
            *(tuple(a) if isinstance(a, list) else a for a in arguments))
    except TypeError:  # sizes that are symbols have no hash
        return check_geometry_of(shapes, *arguments)


def check_geometry_of(shapes, stride, padding, dilation,
                      groups) -> ConvGeometry:
    """:func:`check_geometry` of names and shapes."""
    geometry = ConvGeometry.checked(stride, padding, dilation, groups)
    _check_shapes(dict(shapes), geometry)
    return geometry


# A small layer takes less time than its checks. Typed: True is not 1.
_check_once = lru_cache(maxsize=1024, typed=True)(check_geometry_of)


def _check_shapes(shapes: dict, geometry: ConvGeometry) -> None:
    for name, shape in shapes.items():
        form = FORMS[name]
        if len(shape) != form.count(',') + (name != 'bias'):
            raise ValueError(
                f'{name} must have shape {form}, but got {tuple(shape)}')
        sizes = shape[1:] if form.startswith('(B') else shape
        if name != 'basis_coefficients' and 0 in sizes:
            raise ValueError(f'{name} is empty: its shape is {tuple(shape)}; '
                             'only the batch may be of size 0')
    x, alpha, weight = (
        shapes[name] for name in ('input', 'basis_coefficients', 'weight'))
    batch, channels, *size = x
    num_atoms, num_bases = alpha[1:3]
    if not num_atoms:
        raise ValueError('basis_coefficients must hold at least one atom, but '
                         f'got shape {tuple(alpha)}')
    kernel = _check_bases(shapes.get('atom_bases'), num_bases)
    groups, out_channels = geometry.groups, weight[0]
    for name, count in (('input channels', channels), ('weight.shape[0]',
                                                       out_channels)):
        if count % groups:
            raise ValueError(f'{name} ({count}) must be divisible by '
                             f'groups ({groups})')
    expected = (out_channels, channels // groups * num_atoms, 1, 1)
    if tuple(weight) != expected:
        raise ValueError(
            f'weight must have shape (C_out, C/groups * m, 1, 1) = {expected} '
            f'for {channels} input channels, groups={groups} and {num_atoms} '
            f'atoms, but got {tuple(weight)}')
    if 'bias' in shapes and shapes['bias'][0] != out_channels:
        raise ValueError(f'bias must have shape ({out_channels}, ), but got '
                         f'{tuple(shapes["bias"])}')
    out_size = geometry.output_size(size, kernel)
    if alpha[0] != batch or tuple(alpha[3:]) != out_size:
        raise ValueError(
            'basis_coefficients must hold one set for each of the '
            f'{batch} x {out_size[0]} x {out_size[1]} output pixels '
            f'(B, Ho, Wo), but got shape {tuple(alpha)}')


def _check_bases(shape, num_bases: int) -> int:
    """Kernel size."""
    if shape is None:
        kernel = round(num_bases**0.5)
        if kernel * kernel != num_bases or kernel % 2 == 0:
            raise ValueError(
                'without atom_bases, basis_coefficients.shape[2] must be '
                f'k * k with k odd, but got {num_bases}')
        return kernel
    if shape[1] != shape[2] or shape[1] % 2 == 0:
        raise ValueError('atom_bases must have shape (J, k, k) with k odd, '
                         f'but got {tuple(shape)}')
    if shape[0] != num_bases:
        raise ValueError(
            f'basis_coefficients has {num_bases} coefficients per atom '
            f'(shape[2]), but atom_bases has {shape[0]} elements')
    return shape[-1]

"""The operator's cases: one registry for tests and benchmarks.

A backend's test runs every case of :data:`CASES` and compares with the
reference; :mod:`.large_cases` holds the layers that benchmarks time.
"""
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmacda.ops import (
    adaptive_conv2d,
    available_backends,
    fourier_bessel_bases,
)

from .layouts import LAYOUTS

Pair = Tuple[int, int]
# Tensors by name; None where there is none.
Operands = Dict[str, Any]
# In the order of the operator's arguments.
OPERANDS = ('input', 'basis_coefficients', 'atom_bases', 'weight', 'bias')
# Those of Triton have tests of their own: in its interpreter, and on a GPU.
CPU_BACKENDS = tuple(
    b for b in available_backends() if not b.startswith('triton'))
# Backends that serve every call: a skip would hide a failure.
UNCONDITIONAL = ('stock', 'reference')


@dataclass(frozen=True)
class Case:
    """Shapes and hyper-parameters of one call of ``adaptive_conv2d``.

    ``scales`` None means direct atoms of size ``kernel``; otherwise the
    kernel is the largest scale. ``layout`` is a key of :data:`LAYOUTS` and
    applies to the input and the coefficients.
    """
    name: str
    batch: int = 2
    in_channels: int = 4
    out_channels: int = 6
    size: Pair = (6, 7)
    scales: Optional[Tuple[int, ...]] = (3, )
    kernel: int = 3
    num_bases: int = 6
    num_atoms: int = 2
    stride: Pair = (1, 1)
    padding: Pair = (1, 1)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    layout: str = 'contiguous'

    def __str__(self) -> str:
        return self.name

    @property
    def support(self) -> int:
        """k, the side of the atoms."""
        return self.scales[-1] if self.scales else self.kernel

    @property
    def num_coefficients(self) -> int:
        """J."""
        if self.scales:
            return len(self.scales) * self.num_bases
        return self.kernel**2

    @property
    def geometry(self) -> Dict[str, Any]:
        """Keyword arguments that ``F.conv2d`` takes too."""
        return dict(
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups)

    @property
    def out_size(self) -> Pair:
        """Output height and width, asked of PyTorch's convolution."""
        geometry = dict(self.geometry, groups=1)
        one = torch.empty(1, 1, *self.size, device='meta')
        tap = torch.empty(1, 1, *(self.support, ) * 2, device='meta')
        return tuple(F.conv2d(one, tap, **geometry).shape[2:])

    def operands(self,
                 dtype: torch.dtype = torch.float64,
                 device: str = 'cpu',
                 seed: int = 0) -> Operands:
        """Arguments of the operator by name; the same values everywhere."""
        generator = torch.Generator().manual_seed(seed)

        def draw(shape):
            values = torch.randn(
                shape, generator=generator, dtype=torch.float64)
            return values.to(device, dtype)

        arrange = LAYOUTS[self.layout]
        shapes = self.shapes
        return dict(
            input=arrange(draw(shapes['input'])),
            basis_coefficients=arrange(draw(shapes['basis_coefficients'])),
            atom_bases=self.bases(dtype, device),
            weight=draw(shapes['weight']) / shapes['weight'][1]**0.5,
            bias=draw(shapes['bias']) if self.bias else None)

    @property
    def shapes(self) -> Dict[str, Tuple[int, ...]]:
        """Shapes of the operands, but for the bases."""
        width = self.in_channels // self.groups * self.num_atoms
        shapes = dict(
            input=(self.batch, self.in_channels, *self.size),
            basis_coefficients=(self.batch, self.num_atoms,
                                self.num_coefficients, *self.out_size),
            weight=(self.out_channels, width, 1, 1))
        if self.bias:
            shapes['bias'] = (self.out_channels, )
        return shapes

    def bases(self, dtype: torch.dtype, device: str) -> Optional[Tensor]:
        """psi, or None for direct atoms."""
        if not self.scales:
            return None
        bases = fourier_bessel_bases(self.scales, self.num_bases)
        return bases.to(device, dtype)


PAPER = dict(scales=(3, 5, 7), num_atoms=6)

CASES = [
    Case('paper', in_channels=3, size=(8, 9), padding=(3, 3), **PAPER),
    Case('paper-1x1-map', size=(1, 1), padding=(3, 3), **PAPER),
    Case('one-scale'),
    Case('two-scales', scales=(3, 5), padding=(2, 2)),
    Case('all-bases', scales=(5, ), num_bases=14, padding=(2, 2)),
    Case('one-basis', num_bases=1),
    Case('one-atom', num_atoms=1),
    Case('direct-1', scales=None, kernel=1, padding=(0, 0)),
    Case('direct-3', scales=None),
    Case('direct-5', scales=None, kernel=5, padding=(2, 2)),
    Case('no-bias', bias=False),
    Case('one-channel', in_channels=1, out_channels=1),
    Case('many-channels', in_channels=33, out_channels=17, size=(5, 5)),
    *[
        Case(f'stride-{s}-size-{n}', size=(n, n + 1), stride=(s, s))
        for s in (2, 3) for n in (5, 6, 7)
    ],
    Case('stride-above-kernel', size=(11, 12), stride=(4, 5)),
    Case('stride-mixed', size=(7, 9), stride=(1, 3)),
    *[
        Case(f'padding-{p}', scales=(3, 5), padding=(p, p), size=(5, 6))
        for p in range(6)
    ],
    Case('padding-mixed', scales=(3, 5), padding=(0, 3), size=(5, 6)),
    Case('dilation-2', dilation=(2, 2), padding=(2, 2)),
    Case('dilation-mixed', dilation=(1, 2), padding=(1, 2)),
    Case('dilation-2-stride-3', dilation=(2, 2), stride=(3, 3), size=(9, 8)),
    Case('dilation-2-direct', scales=None, dilation=(2, 2), padding=(0, 3)),
    Case('groups-2', groups=2),
    Case('groups-2-stride-2', groups=2, stride=(2, 2)),
    Case('depthwise', groups=4, out_channels=4),
    Case('depthwise-multiplier', groups=4, out_channels=8),
    Case('depthwise-direct', groups=4, out_channels=4, scales=None),
    Case('single-pixel', size=(1, 1)),
    Case('single-row', size=(1, 7)),
    Case('single-column', size=(7, 1)),
    Case('single-output', size=(3, 3), padding=(0, 0)),
    Case('even', size=(8, 8)),
    Case('wide', 1, size=(3, 19), scales=(3, 5), padding=(2, 2)),
    Case('wide-stride-2', 1, size=(3, 35), stride=(2, 2)),
    Case('batch-0', batch=0),
    Case('batch-0-direct', batch=0, scales=None),
    Case('batch-1', batch=1),
    Case('batch-5', batch=5, size=(4, 3)),
    *[Case(f'layout-{name}', layout=name) for name in LAYOUTS],
    Case('channels-last-groups', layout='channels_last', groups=2),
    Case('sliced-stride-2', layout='sliced', stride=(2, 2)),
]


def unsupported_reason(backend: str, operands: Operands,
                       geometry: Dict[str, Any]) -> Optional[str]:
    """Why a backend cannot serve these operands, or None."""
    if backend in UNCONDITIONAL:
        return None
    try:
        with torch.no_grad():
            adaptive_conv2d(**operands, **geometry, backend=backend)
    except ValueError as error:
        if 'cannot run this call' not in str(error):
            raise
        return str(error)
    return None


def bind(backend: str, operands: Operands,
         geometry: Dict[str, Any]) -> Callable:
    """The operator on one backend, with the signature of the reference.

    Skips the running test if the backend cannot serve these operands.
    """
    reason = unsupported_reason(backend, operands, geometry)
    if reason:
        import pytest  # benchmarks use this file without it
        pytest.skip(reason)
    return partial(adaptive_conv2d, backend=backend)


def in_float32(backend: str) -> Callable:
    """The operator in float32 inside, for float64 operands and results.

    Lets a backend without float64 take the tests that are written in it.
    """

    def function(*args, **kwargs) -> Tensor:
        narrow, named = [
            t.float() if isinstance(t, Tensor) else t for t in args
        ], {
            k: t.float() if isinstance(t, Tensor) else t
            for k, t in kwargs.items()
        }
        return adaptive_conv2d(*narrow, **named, backend=backend).double()

    return function


def bind_exact(backend: str, operands: Operands,
               geometry: Dict[str, Any]) -> Tuple[Callable, float]:
    """The operator on float64 operands, and the relative error to expect."""
    if unsupported_reason(backend, operands, geometry) is None:
        return partial(adaptive_conv2d, backend=backend), 1e-12
    single = {
        k: t if t is None else t.float()
        for k, t in operands.items()
    }
    bind(backend, single, geometry)  # skips, if not even that is served
    return in_float32(backend), 1e-5


def evaluate(
    function: Callable,
    operands: Operands,
    geometry: Dict[str, Any],
    differentiate: Sequence[str] = OPERANDS
) -> Tuple[Tensor, Dict[str, Tensor]]:
    """Output, and gradients by operand for :func:`upstream_of`.

    ``function`` has the operator's signature. Operands keep their layout.
    """
    operands = {
        name: None if value is None else value.detach().requires_grad_(
            name in differentiate)
        for name, value in operands.items()
    }
    output = function(*(operands[name] for name in OPERANDS), **geometry)
    wanted = [
        name for name in OPERANDS
        if name in differentiate and operands[name] is not None
    ]
    if not wanted:
        return output, {}
    grads = torch.autograd.grad(output, [operands[name] for name in wanted],
                                upstream_of(output))
    return output.detach(), dict(zip(wanted, grads))


def upstream_of(output: Tensor) -> Tensor:
    """A gradient to send back; the same values in every dtype."""
    steps = torch.arange(output.numel(), dtype=torch.float64)
    values = (16 * torch.cos(steps)).round() / 16
    return values.to(output.device, output.dtype).view(output.shape)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest expected value."""
    if actual.shape != expected.shape:
        raise ValueError(f'shape {tuple(actual.shape)} where '
                         f'{tuple(expected.shape)} is expected')
    if not expected.numel():
        return 0.0
    expected = expected.double()
    difference = (actual.double().to(expected.device) - expected).abs().max()
    return (difference / expected.abs().max().clamp(min=1e-12)).item()

"""What the Triton backend knows of a call before it sees the values.

One :class:`Plan` for all calls of the same shapes, strides, dtype, device,
geometry and bases. It chooses the kernels, whose family is a class of
*steps*: see :data:`FAMILIES`.
"""
from functools import lru_cache
from typing import Any, Callable, Dict, List, Optional, Sequence

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import Description, describe
from ..capture import Constants, refuse_capture
from ..chunks import Chunk, split_pixels
from . import prepare
from .atoms import WEIGHTS
from .band import BandSteps
from .fma import FmaSteps
from .generated import Making
from .launch import Launch, ceil
from .taps import forward_taps

# Of a chunk: an eighth of what an unfold would take, within these bounds. A
# chunk is never full-size where maps are large; small maps are one.
WORKSPACE_BYTES = (64 * 2**20, 128 * 2**20)
# Kernels that take the steps of a call; the first that serves a plan does
# (dtype, stride, dilation, groups, atoms, ...). The last serves any.
FAMILIES: List[Any] = [BandSteps, FmaSteps]


def choose_family(plan: 'Plan') -> Any:
    """The first family that serves a plan and was not found faulty."""
    from .trial import judge
    for family in FAMILIES[:-1]:
        if family.serves(plan) and \
                judge(plan.device, plan.dtype, family) is None:
            return family
    return FAMILIES[-1]


class Plan:
    """Shapes, tiles, taps and launches of a call.

    Args:
        x_shape (tuple): Of maps (B, H, W, C).
        x_strides (tuple): Of these; the last is 1.
        alpha_shape (tuple): (B, m, J, Ho, Wo).
        alpha_strides (tuple): Of these.
        out_channels (int): C_out.
        dtype (torch.dtype): Of all but the bases.
        device (torch.device): Of all.
        geometry (ConvGeometry): Of the convolution.
        bases (Description): Of the bases; direct atoms have some too.
        direct (bool): Whether atoms are direct.
        family (type, optional): Of steps. None chooses.
        generator (Making, optional): What makes the coefficients; alpha's
            strides are those of its hidden maps then.
    """

    def __init__(self, x_shape: Sequence[int], x_strides: Sequence[int],
                 alpha_shape: Sequence[int], alpha_strides: Sequence[int],
                 out_channels: int, dtype: torch.dtype, device: torch.device,
                 geometry: ConvGeometry, bases: Description, direct: bool,
                 family: Any, generator: Optional[Making] = None):
        refuse_capture('no call like this one has been made yet')
        self.x_shape, self.x_strides = tuple(x_shape), tuple(x_strides)
        self.alpha_shape = tuple(alpha_shape)
        self.alpha_strides = tuple(alpha_strides)
        self.out_channels, self.dtype, self.device = (out_channels, dtype,
                                                      device)
        self.geometry, self.bases, self.direct = geometry, bases, direct
        self.batch, self.atoms, self.count = self.alpha_shape[:3]
        self.channels, self.groups = self.x_shape[3], geometry.groups
        self.size = self.alpha_shape[3:]
        self.element_size = torch.empty((), dtype=dtype).element_size()
        self.taps = forward_taps(bases.live, bases.kernel, geometry)
        self._kept: Dict[int, Tensor] = {}
        self.constants = Constants(())
        self.generator = generator
        self.steps = (family or choose_family(self))(self)
        self._passes: Dict[tuple, Callable] = {}

    def keep(self, *tensors: Tensor) -> Tensor:
        """Keep constants that launches read; the first is returned."""
        fresh = [t for t in tensors if id(t) not in self._kept]
        if fresh:
            self._kept.update((id(t), t) for t in fresh)
            self.constants = Constants(list(self._kept.values()))
        return tensors[0]

    def chunks(self, size: Sequence[int], own_bytes: int,
               channels: int) -> List[Chunk]:
        """Chunks of ``own_bytes`` and m times ``channels`` per pixel."""
        bytes_per_pixel = own_bytes + self.element_size * self.atoms * channels
        unfold = self.batch * size[0] * size[1] * self.bases.kernel**2
        unfold *= self.element_size * self.channels
        least, most = WORKSPACE_BYTES
        budget = max(least, min(unfold // 8, most))
        return split_pixels(self.batch, size[0], size[1],
                            budget // max(1, bytes_per_pixel))

    def order(self, by_output: bool, by_atom: bool) -> Optional[Launch]:
        """``step(stream, weight, by_output, by_atom)`` orders the weight.

        None where nothing is to be done.
        """
        if not (by_output or by_atom):
            return None
        group_channels = self.channels // self.groups
        count = self.out_channels * self.atoms * group_channels
        return Launch(
            prepare.order, (ceil(count, WEIGHTS), ),
            (count, self.atoms, group_channels,
             self.out_channels // self.groups), 1, BY_OUTPUT=by_output,
            BY_ATOM=by_atom, WEIGHTS=WEIGHTS)

    def a_pass(self, make: Callable, *options: Any) -> Callable:
        """``make(self, *options)``, made once."""
        key = make, options
        if key not in self._passes:
            refuse_capture('no call like this one has been made yet')
            self._passes[key] = make(self, *options)
        return self._passes[key]


_cached_plan = lru_cache(maxsize=512)(Plan)


def find_plan(x: Tensor, alpha: Any, atom_bases: Optional[Tensor],
              weight: Tensor, geometry: ConvGeometry, family: Any,
              generator: Optional[Making] = None) -> Plan:
    """The plan of a call; x is (B, C, H, W) with unit stride in C.

    With a generator ``alpha`` is ``generated.Made``.
    """
    batch, channels, height, width = x.shape
    image, _, row, column = x.stride()
    alpha_shape = alpha.shape
    return _cached_plan((batch, height, width, channels),
                        (image, row, column, 1), alpha_shape, alpha.stride(),
                        weight.shape[0], x.dtype, x.device, geometry,
                        describe(atom_bases, alpha_shape[2]),
                        atom_bases is None, family, generator)

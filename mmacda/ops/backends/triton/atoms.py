"""From coefficients to atoms and back: the steps that all families share.

Atoms of a chunk are one tensor (taps, pixels, 8 n): live taps only, and m
atoms padded to eights, with zeros.
"""
from typing import Any, Callable, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor

from . import atom_kernels
from .launch import Launch, Size, ceil, power_of_two
from .operands import pad_size, pixel_strides, product_of, spread

EIGHT = 8  # atoms of a block
# Of a weight, by a program that orders it.
WEIGHTS = 512


class Tuning(NamedTuple):
    """Of a kernel: pixels (or channels) of a step, warps, stages."""
    block: int
    warps: int
    stages: int = 2


# Pixels of a program where 32 coefficients and 64 taps are the most.
COMPOSE, COMPOSE_SINGLE = Tuning(32, 4, 1), Tuning(16, 8, 1)
GENERATE, GENERATE_SINGLE = Tuning(16, 4, 1), Tuning(16, 8, 1)
STEP, STEP_SINGLE = 64, 16  # hidden channels
# What registers and shared memory hold where coefficients are made.
MOST_GENERATED = 64


class AtomSteps:
    """The steps of a plan but for the atom convolution, a family's own.

    Args:
        plan (Plan): Of the call.
        dtype (torch.dtype): Of the atoms.
    """

    # Whether the step that convolves multiplies by the weight as well.
    multiplies = False

    def __init__(self, plan: Any, dtype: torch.dtype):
        self.plan, self.dtype = plan, dtype
        self.num_taps = len(plan.bases.live)
        self.blocks = ceil(plan.atoms, EIGHT)
        self.is_single = plan.dtype == torch.float32
        self.psi = plan.keep(spread(plan.bases, plan.dtype, plan.device))

    @property
    def atom_bytes(self) -> int:
        """Of a pixel, beside the coefficients."""
        element = torch.empty((), dtype=self.dtype).element_size()
        return element * self.num_taps * self.blocks * EIGHT

    @property
    def grad_bytes(self) -> int:
        """Of a pixel, for the gradient of its atoms."""
        generated = self.plan.generator is not None
        return self.atom_bytes + self.plan.element_size * (
            generated * self.plan.atoms * self.plan.count)

    def convolve(self, source_shape: Sequence[int],
                 source_strides: Sequence[int], size: Size, atoms_size: Size,
                 taps: Any, first_row: int, first_atoms_row: int,
                 step: Tuple[int, int], follow: bool) -> Callable[..., Any]:
        """``step(stream, source, atoms, features)`` writes Z.

        Args:
            source_shape (tuple): Of maps (images, height, width, channels).
            source_strides (tuple): The last is 1.
            size (tuple): Target's images, rows (from ``first_row`` on),
                columns.
            atoms_size (tuple): Images, rows (from ``first_atoms_row`` on) and
                columns of the atoms.
            taps (Taps): To be visited.
            first_row (int): Of the target.
            first_atoms_row (int): Of the atoms.
            step (tuple): Source's rows and columns from one target to the
                next.
            follow (bool): Take the filters of the source pixel.
        """
        raise NotImplementedError

    def sum_atoms(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Callable[..., Any]:
        """``step(stream, source, grad_features, grads)`` writes the last.

        It is the atoms' gradient, (images, m, taps, rows, columns) of these
        strides.
        """
        raise NotImplementedError

    def atom_strides(self, size: Size) -> Tuple[int, ...]:
        """Of atoms as (images, m, taps, rows, columns)."""
        images, rows, columns = size
        width = self.blocks * EIGHT
        return (rows * columns * width, 1, images * rows * columns * width,
                columns * width, width)

    def _atoms_shape(self, size: Size) -> Tuple[int, int, int]:
        return (self.num_taps, size[0] * size[1] * size[2],
                self.blocks * EIGHT)

    def _launch(self, kernel: Any, tuning: Tuning, size: Size, layers: int,
                numbers: Sequence[int], **constants: Any) -> Launch:
        """A launch with ``layers`` more blocks than there are of atoms.

        Its numbers are those of pixels and taps, ``numbers``, the distance of
        taps and the blocks, and what ``constants`` holds as ``more``.
        """
        images, pixels = size[0], size[1] * size[2]
        coefficients, taps = self.psi.shape[1:]
        block = tuning.block * 64 // max(64, taps, 2 * coefficients)
        block = min(max(2, block), max(2, power_of_two(pixels)))
        product, precision = product_of(self.plan.dtype)
        more = constants.pop('more', ())
        return Launch(
            kernel, (ceil(pixels, block), images, self.blocks + layers),
            (pixels, self.num_taps, *numbers, images * pixels * self.blocks,
             self.blocks, *more), tuning.warps, [self.psi],
            stages=tuning.stages, PIXELS=block, COEFFICIENTS=coefficients,
            TAPS=taps, PARTS=len(self.psi), PRODUCT=product,
            PRECISION=precision, **constants)

    def _strides_of(self, strides: Sequence[int],
                    size: Size) -> Tuple[Sequence[int], bool]:
        """:func:`pixel_strides` of coefficients, or of hidden maps."""
        plan = self.plan
        shape = (plan.atoms, plan.count) if plan.generator is None else (
            1, plan.generator.channels)
        return pixel_strides(strides, size, *shape)

    def _of_hidden(self, channels: int) -> dict:
        plan, hidden = self.plan, pad_size(channels)
        step = STEP_SINGLE if self.is_single else STEP
        step = step * 32 // max(32, self.psi.shape[1])
        return dict(HIDDEN=hidden, STEP=min(hidden, max(16, step)),
                    TANH=plan.generator.tanh)

    def compose(self, size: Size, by_output: bool,
                by_atom: bool) -> Callable[..., Tensor]:
        """``step(stream, alpha, weight, by_output, by_atom)``: the atoms.

        Writes the weight in one or two orders as well, if asked to.
        """
        plan, psi, orders = self.plan, self.psi, by_output or by_atom
        channels = plan.channels // plan.groups
        counts = (plan.out_channels * plan.atoms * channels, channels,
                  plan.out_channels // plan.groups)
        options = dict(more=counts, BY_OUTPUT=by_output, BY_ATOM=by_atom,
                       WEIGHTS=WEIGHTS)
        strides, copies = self._strides_of(plan.alpha_strides, size)
        image, atom, coefficient, _, pixel = strides
        if plan.generator is not None:
            hidden = plan.generator.channels
            launch = self._launch(
                atom_kernels.compose_generated,
                GENERATE_SINGLE if self.is_single else GENERATE, size, orders,
                (plan.atoms, hidden, image, coefficient, pixel),
                NORM=plan.generator.has_norm, **self._of_hidden(hidden),
                **options)
        else:
            launch = self._launch(
                atom_kernels.compose,
                COMPOSE_SINGLE if self.is_single else COMPOSE, size, orders,
                (plan.atoms, plan.count, image, atom, coefficient, pixel),
                **options)
        shape, generates = self._atoms_shape(size), plan.generator is not None

        def compose(stream, alpha, weight, by_output, by_atom):
            atoms = torch.empty(shape, dtype=self.dtype, device=plan.device)
            maps = alpha.hidden if generates else alpha
            if copies:
                maps = maps.contiguous()
            given = (weight, by_output, by_atom) if orders else (psi, ) * 3
            rest = (alpha.matrix, psi if alpha.norm is None else
                    alpha.norm) if generates else ()
            launch(stream, maps, atoms, *given, *rest)
            return atoms

        return compose

    def correlate(self, size: Size, first_row: int,
                  grad_strides: Sequence[int]) -> Callable[..., None]:
        """``step(stream, source, grad_features, grad_alpha)`` writes the last.

        ``grad_strides`` are those of ``grad_alpha`` (images, m, J, rows,
        columns). Where coefficients are made, it is a ``MadeGradient``.
        """
        sums = self.sum_atoms(size, first_row, self.atom_strides(size))
        shape, dtype = self._atoms_shape(size), self.dtype
        plan = self.plan
        decompose = self._decompose_generated(size) \
            if plan.generator is not None \
            else self._decompose(size, grad_strides)

        def correlate(stream, source, grad_features, grad_alpha):
            grads = torch.empty(shape, dtype=dtype, device=plan.device)
            sums(stream, source, grad_features, grads)
            decompose(stream, grads, grad_alpha)

        return correlate

    def _decompose(self, size: Size,
                   grad_strides: Sequence[int]) -> Callable[..., None]:
        plan = self.plan
        strides, copies = self._strides_of(grad_strides, size)
        image, atom, coefficient, _, pixel = strides
        launch = self._launch(
            atom_kernels.decompose,
            COMPOSE_SINGLE if self.is_single else COMPOSE, size, 0,
            (plan.atoms, plan.count, image, atom, coefficient, pixel))
        if not copies:
            return launch

        def decompose(stream, grads, grad_alpha):
            target = torch.empty_like(
                grad_alpha, memory_format=torch.contiguous_format)
            launch(stream, grads, target)
            grad_alpha.copy_(target)

        return decompose

    def _decompose_generated(self, size: Size) -> Callable[..., None]:
        plan = self.plan
        strides, copies = self._strides_of(plan.alpha_strides, size)
        image, _, channel, _, pixel = strides
        hidden = plan.generator.channels
        launch = self._launch(
            atom_kernels.decompose_generated,
            GENERATE_SINGLE if self.is_single else GENERATE, size, 0,
            (plan.atoms, plan.count, hidden, image, channel, pixel),
            **self._of_hidden(hidden))
        shape = size[0] * size[1] * size[2], plan.atoms * plan.count

        def decompose(stream, grads, gradient):
            before = torch.empty(shape, dtype=plan.dtype, device=plan.device)
            maps = gradient.made.hidden
            launch(stream, grads, maps.contiguous() if copies else maps,
                   gradient.made.matrix, before)
            gradient.add(before)

        return decompose

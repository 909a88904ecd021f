"""Backward of a plan, chunk by chunk.

The atoms are composed once for all gradients and chunks, where they fit.
"""
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..chunks import Chunk
from .forward_pass import (Piece, Room, applied, apply, new, products_of,
                           shape_weight)
from .generated import MadeGradient
from .plan import Plan
from .products import Products
from .taps import Taps, backward_taps
from .windows import (Window, from_pixel, of_images, of_lines, of_pixels,
                      see)

Gradients = Tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]
# The most that atoms of all chunks take where they are composed once; that of
# a single chunk are in any case.
ATOMS_BYTES = 256 * 2**20


class Other(NamedTuple):
    """What the gradients of coefficients and weight need of a chunk."""
    piece: Piece
    # Of the output's gradient, as lines.
    lines: Window
    correlate: Any
    # Of the gradient of coefficients.
    grad_alpha: Optional[Window]


class Backward:
    """``(dy, x, alpha, weight)`` to gradients; dy and x are channels-last.

    Args:
        plan (Plan): Of the call.
        need_x (bool): Of the input.
        need_alpha (bool): Of the coefficients.
        need_weight (bool): Of the weight.
    """

    def __init__(self, plan: Plan, need_x: bool, need_alpha: bool,
                 need_weight: bool):
        self.plan = plan
        self.needs = need_x, need_alpha, need_weight
        self.phases = self._phases() if need_x else []
        self.chunks = plan.chunks(
            plan.size, max(plan.steps.atom_bytes, plan.steps.grad_bytes),
            plan.channels) if need_alpha or need_weight else []
        lists = [chunks for *_, chunks in self.phases]
        lists += [self.chunks] if need_alpha or need_weight else []
        self.is_whole = all(len(chunks) == 1 for chunks in lists)
        self.atoms_size = (plan.batch, *plan.size)
        pixels = plan.batch * plan.size[0] * plan.size[1]
        self.composes_once = pixels > 0 and (need_x or need_weight) and (
            self.is_whole or plan.steps.atom_bytes * pixels <= ATOMS_BYTES)
        self.grad_strides = torch.empty_like(
            torch.empty_strided(
                plan.alpha_shape, plan.alpha_strides,
                device='meta')).stride()
        inputs = [
            piece for phase in self.phases for piece in self._gather(*phase)
        ]
        # Others see nothing of the output.
        self.reaches_all = len(inputs) == sum(
            len(chunks) for *_, chunks in self.phases)
        others = [self._other(chunk) for chunk in self.chunks]
        # One room for Z of all, and for its gradient.
        roomy = [] if plan.steps.multiplies else [
            (piece, plan.out_channels) for piece in inputs]
        roomy += [(other.piece, plan.channels) for other in others]
        self.room, pieces = Room.of(plan, roomy)
        if not plan.steps.multiplies:
            inputs, pieces = pieces[:len(inputs)], pieces[len(inputs):]
        self.inputs = inputs
        self.others = [other._replace(piece=piece)
                       for other, piece in zip(others, pieces)]
        self.compose = plan.steps.compose(
            self.atoms_size, need_alpha, need_x) \
            if self.composes_once else None
        self.order = None if self.compose else plan.order(need_alpha, need_x)
        self.by_output = shape_weight(plan, False, False)
        self.by_atom = shape_weight(plan, True, False)
        self.grad_weight = plan.out_channels, (
            plan.channels // plan.groups * plan.atoms), 1, 1

    def _phases(self) -> List[tuple]:
        """Every stride-th input pixel: phase, taps, size and chunks."""
        plan, phases = self.plan, []
        (stride_h, stride_w), (_, height, width, channels) = (
            plan.geometry.stride, plan.x_shape)
        own = plan.steps.atom_bytes + plan.element_size * channels
        features = 0 if plan.steps.multiplies else plan.out_channels
        for row in range(min(stride_h, height)):
            for column in range(min(stride_w, width)):
                taps = backward_taps(plan.taps, plan.geometry, row, column)
                size = (len(range(row, height, stride_h)),
                        len(range(column, width, stride_w)))
                chunks = plan.chunks(size, own, features)
                phases.append(((row, column), taps, size, chunks))
        return phases

    def _gather(self, phase: Tuple[int, int], taps: Taps,
                size: Tuple[int, int], chunks: Sequence[Chunk]) -> List[Piece]:
        """Pieces that write the input's gradient at a phase."""
        plan, pieces = self.plan, []
        height, width = plan.size
        shape = plan.batch, height, width, plan.out_channels
        strides = (height * width * shape[3], width * shape[3], shape[3], 1)
        for chunk in chunks:
            first = chunk.rows.start + min((t[0] for t in taps), default=0)
            last = chunk.rows.stop + max((t[0] for t in taps), default=0)
            rows = slice(max(0, first), min(last, height))
            if not taps or rows.start >= rows.stop:
                continue
            images = chunk.shape[0]
            target = images, chunk.shape[1], size[1]
            if self.composes_once:
                compose, atoms, rows = None, self.atoms_size, slice(0, height)
                filters = from_pixel(plan.steps.atom_strides(atoms),
                                     chunk.images, 0)
            else:
                atoms = images, rows.stop - rows.start, width
                compose = plan.steps.compose(atoms, False, False)
                filters = of_pixels(plan.alpha_shape, plan.alpha_strides,
                                    chunk.images, rows)
            pieces.append(
                Piece(
                    target, compose,
                    applied(plan)(shape, strides, target, atoms, taps,
                                  chunk.rows.start, rows.start, (1, 1), True),
                    of_images(shape, strides, chunk.images), filters,
                    self._target(phase, chunk, size)))
        return pieces

    def _target(self, phase: Tuple[int, int], chunk: Chunk,
                size: Tuple[int, int]) -> Window:
        """Of a chunk of a phase, in the input's gradient."""
        (_, height, width, channels), (stride_h, stride_w) = (
            self.plan.x_shape, self.plan.geometry.stride)
        if size == (height, width):
            return of_lines(chunk, size, channels)
        row = phase[0] + chunk.rows.start * stride_h
        return Window(
            (*chunk.shape, size[1], channels),
            (height * width * channels, width * channels * stride_h,
             channels * stride_w, 1),
            ((chunk.images.start * height + row) * width + phase[1]) *
            channels)

    def _other(self, chunk: Chunk) -> Other:
        plan, (_, need_alpha, need_weight) = self.plan, self.needs
        size, first = (*chunk.shape, plan.size[1]), chunk.rows.start
        convolve = compose = None
        pixels = chunk.images, chunk.rows
        filters = of_pixels(plan.alpha_shape, plan.alpha_strides, *pixels)
        if need_weight:
            atoms_size = self.atoms_size if self.composes_once else size
            if self.composes_once:
                filters = from_pixel(plan.steps.atom_strides(atoms_size),
                                     chunk.images, first)
            else:
                compose = plan.steps.compose(size, False, False)
            convolve = plan.steps.convolve(
                plan.x_shape, plan.x_strides, size, atoms_size, plan.taps,
                first, first, plan.geometry.stride, False)
        return Other(
            Piece(size, compose, convolve,
                  of_images(plan.x_shape, plan.x_strides, chunk.images),
                  filters), of_lines(chunk, plan.size, plan.out_channels),
            plan.steps.correlate(size, first, self.grad_strides)
            if need_alpha else None,
            of_pixels(plan.alpha_shape, self.grad_strides, *pixels))

    def __call__(self, dy: Tensor, x: Tensor, alpha: Any, weight: Tensor,
                 made: Optional[MadeGradient] = None) -> Gradients:
        # `made` is in the place of the gradient of coefficients that are.
        plan, (need_x, need_alpha, need_weight) = self.plan, self.needs
        stream = plan.constants.use()
        by_output = new(plan, self.by_output) if need_alpha else weight
        by_atom = new(plan, self.by_atom) if need_x else weight
        atoms = None
        if self.compose is not None:
            atoms = self.compose(stream, alpha, weight, by_output, by_atom)
        elif self.order is not None:
            self.order(stream, weight, by_output, by_atom)
        products = products_of(plan)
        room = self.room.make(plan, products)
        grad_x = self._grad_x(products, stream, dy, alpha, atoms, by_atom,
                              room) if need_x else None
        grad_alpha: Any = made
        if need_alpha and made is None:
            grad_alpha = new(plan, (plan.alpha_shape, self.grad_strides))
        grad_weight = self._grad_others(products, stream, dy, x, alpha, atoms,
                                        by_output, room, grad_alpha)
        return (grad_x, grad_alpha if need_alpha else None,
                grad_weight if need_weight else None)

    def _grad_x(self, products: Products, stream: Any, dy: Tensor, alpha: Any,
                atoms: Optional[Tensor], matrix: Tensor,
                room: Optional[Tensor]) -> Tensor:
        plan = self.plan
        used = None if plan.steps.multiplies else products
        if self.is_whole and self.reaches_all and len(self.inputs) == 1:
            return apply(plan, used, stream, self.inputs[0], dy, atoms,
                         matrix, None, room, None)
        make = torch.empty if self.reaches_all else torch.zeros
        grad = make(
            plan.x_shape, dtype=plan.dtype,
            device=plan.device).permute(0, 3, 1, 2)
        for piece in self.inputs:
            apply(plan, used, stream, piece, see(piece.source, dy),
                  piece.filters(stream, alpha, atoms), matrix, None, room,
                  grad)
        return grad

    def _grad_others(self, products: Products, stream: Any, dy: Tensor,
                     x: Tensor, alpha: Any, atoms: Optional[Tensor],
                     matrix: Tensor, room: Optional[Tensor],
                     grad_alpha: Any) -> Optional[Tensor]:
        """Writes the gradient of coefficients, returns the weight's."""
        plan, (_, need_alpha, need_weight) = self.plan, self.needs
        total: Optional[Tensor] = None
        for piece, window, correlate, grad_window in self.others:
            source, lines = see(piece.source, x), window.of(dy)
            features: Any = piece.place(plan, room) \
                if need_weight or room is not None else None
            if need_weight:
                piece.convolve(stream, source,
                               piece.filters(stream, alpha, atoms), features)
                part = products.correlate(lines, features)
                if total is None:
                    total = part if len(self.others) == 1 else part.float()
                else:
                    total += part
            if need_alpha:
                if room is None:  # free it before as many values are made
                    features = None
                correlate(
                    stream, source,
                    products.lines(lines, matrix, piece.size, features),
                    see(grad_window, grad_alpha))
        return self._as_stored(total) if need_weight else None

    def _as_stored(self, total: Optional[Tensor]) -> Tensor:
        """(C_out, m * C/G) as the weight is stored."""
        plan, shape = self.plan, self.grad_weight
        if total is None:  # an empty batch
            return torch.zeros(shape, dtype=plan.dtype, device=plan.device)
        outputs, count = shape[:2]
        channels = count // plan.atoms
        stored = total.as_strided((outputs, channels, plan.atoms),
                                  (count, 1, channels))
        if total.dtype == plan.dtype:
            return stored.reshape(shape)
        grad = torch.empty(shape, dtype=plan.dtype, device=plan.device)
        grad.view(outputs, channels, plan.atoms).copy_(stored)
        return grad

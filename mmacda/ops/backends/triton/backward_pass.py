"""Backward of a plan, chunk by chunk.

Where all is one chunk, the atoms are composed once for all gradients.
"""
from typing import Any, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..chunks import Chunk
from .forward_pass import (Piece, applied, apply, as_rows, cut, new_features,
                           new_weight)
from .generated import MadeGradient
from .plan import Plan
from .products import choose_products
from .taps import Taps, backward_taps

Gradients = Tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]


class Backward:
    """``(dy, x, alpha, weight)`` to gradients; maps are (B, H, W, C), dense.

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
        self.grad_strides = torch.empty_like(
            torch.empty_strided(
                plan.alpha_shape, plan.alpha_strides,
                device='meta')).stride()
        self.inputs = [
            piece for phase in self.phases for piece in self._gather(*phase)
        ]
        # Others see nothing of the output.
        self.reaches_all = len(self.inputs) == sum(
            len(chunks) for *_, chunks in self.phases)
        self.others = [self._other_piece(chunk) for chunk in self.chunks]
        whole = (plan.batch, *plan.size)
        self.compose = plan.steps.compose(whole, need_alpha, need_x) \
            if self.is_whole and (need_x or need_weight) else None
        self.order = None if self.compose else plan.order(need_alpha, need_x)

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
            if self.is_whole:
                rows = slice(0, height)
            images = chunk.shape[0]
            target = images, chunk.shape[1], size[1]
            atoms = images, rows.stop - rows.start, width
            pieces.append(
                Piece(
                    chunk, target, rows, None if self.is_whole else
                    plan.steps.compose(atoms, False, False),
                    applied(plan)(shape, strides, target, atoms, taps,
                                  chunk.rows.start, rows.start, (1, 1), True),
                    phase=phase))
        return pieces

    def _other_piece(self, chunk: Chunk) -> Piece:
        """What the gradients of coefficients and weight need of a chunk."""
        plan, (_, need_alpha, need_weight) = self.plan, self.needs
        size, first = (*chunk.shape, plan.size[1]), chunk.rows.start
        return Piece(
            None if self.is_whole else chunk, size, chunk.rows,
            plan.steps.compose(size, False, False)
            if need_weight and not self.is_whole else None,
            plan.steps.convolve(plan.x_shape, plan.x_strides, size, size,
                                plan.taps, first, first, plan.geometry.stride,
                                False) if need_weight else None,
            plan.steps.correlate(size, first, self.grad_strides)
            if need_alpha else None)

    def __call__(self, dy: Tensor, x: Tensor, alpha: Any, weight: Tensor,
                 made: Optional[MadeGradient] = None) -> Gradients:
        # `made` is in the place of the gradient of coefficients that are.
        plan, (need_x, need_alpha, _) = self.plan, self.needs
        stream = plan.constants.use()
        by_output = new_weight(plan, False) if need_alpha else weight
        by_atom = new_weight(plan, True) if need_x else weight
        atoms = None
        if self.compose is not None:
            atoms = self.compose(stream, alpha, weight, by_output, by_atom)
        elif self.order is not None:
            self.order(stream, weight, by_output, by_atom)
        grad_x = self._grad_x(stream, dy, alpha, atoms, by_atom) \
            if need_x else None
        return (grad_x, *self._grad_others(stream, dy, x, alpha, atoms,
                                           by_output, made))

    def _grad_x(self, stream, dy: Tensor, alpha: Tensor,
                atoms: Optional[Tensor], matrix: Tensor) -> Tensor:
        plan = self.plan
        if self.is_whole and self.reaches_all and len(self.inputs) == 1:
            return apply(plan, stream, self.inputs[0], dy, atoms, matrix,
                         None, None)
        make = torch.empty if self.reaches_all else torch.zeros
        grad = make(
            plan.x_shape, dtype=plan.dtype,
            device=plan.device).permute(0, 3, 1, 2)
        stride_h, stride_w = plan.geometry.stride
        for piece in self.inputs:
            row, column = piece.phase
            apply(
                plan, stream, piece, piece.images(dy),
                piece.atoms(stream, alpha) if atoms is None else atoms,
                matrix, None,
                cut(piece.chunk, grad[:, :, row::stride_h, column::stride_w]))
        return grad

    def _grad_others(self, stream, dy: Tensor, x: Tensor, alpha: Tensor,
                     whole_atoms: Optional[Tensor],
                     matrix: Tensor,
                     made: Optional[MadeGradient]) -> tuple:
        plan, (_, need_alpha, need_weight) = self.plan, self.needs
        grad_alpha: Any = None
        if need_alpha and made is None:
            grad_alpha = torch.empty_strided(
                plan.alpha_shape, self.grad_strides, dtype=plan.dtype,
                device=plan.device)
        elif need_alpha:
            grad_alpha = made
        products = choose_products(plan.groups, plan.dtype, plan.device)
        total: Optional[Tensor] = None
        for piece in self.others:
            source = piece.images(x)
            rows = dy if piece.chunk is None else dy[piece.chunk.images,
                                                     piece.chunk.rows]
            rows = rows.reshape(-1, plan.out_channels)
            if need_weight:
                atoms = piece.atoms(stream, alpha) if whole_atoms is None \
                    else whole_atoms
                features = new_features(plan, piece.size, plan.channels)
                piece.convolve(stream, source, atoms, features)
                part = products.correlate(rows, features)
                del atoms, features
                if not self.is_whole:
                    part = part.float() if total is None else total + part
                total = part
            if grad_alpha is not None:
                maps = products.multiply(rows, matrix, None, piece.size)
                piece.correlate(
                    stream, source, as_rows(maps),
                    grad_alpha if piece.chunk is None else
                    grad_alpha[piece.chunk.images, :, :, piece.rows])
        return grad_alpha, self._grad_weight(total) if need_weight else None

    def _grad_weight(self, total: Optional[Tensor]) -> Tensor:
        """(C_out, m * C/G) as the weight is stored."""
        plan = self.plan
        channels = plan.channels // plan.groups
        shape = plan.out_channels, channels * plan.atoms, 1, 1
        if total is None:  # an empty batch
            return torch.zeros(shape, dtype=plan.dtype, device=plan.device)
        return total.view(-1, plan.atoms, channels).transpose(1, 2).reshape(
            shape).to(plan.dtype)

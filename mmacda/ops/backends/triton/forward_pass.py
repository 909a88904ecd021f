"""Forward of a plan, chunk by chunk; a single chunk is not sliced."""
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..chunks import Chunk
from .plan import Plan
from .products import choose_products


class Piece(NamedTuple):
    """What is done for a chunk of targets."""
    # None where it is all there is.
    chunk: Optional[Chunk]
    size: Tuple[int, int, int]
    # Rows of pixels that have the atoms.
    rows: slice
    # Steps, as the family makes them; None where they are not needed.
    compose: Any
    convolve: Any
    correlate: Any = None
    phase: Tuple[int, int] = (0, 0)

    def images(self, tensor: Tensor) -> Tensor:
        return tensor if self.chunk is None else tensor[self.chunk.images]

    def atoms(self, stream: Any, alpha: Tensor) -> Tensor:
        assert self.compose is not None and self.chunk is not None
        part = alpha[self.chunk.images, :, :, self.rows]
        return self.compose(stream, part, None, None, None)


def new_features(plan: Plan, size: Sequence[int], channels: int) -> Tensor:
    """Room for Z: (pixels, G * m * channels / G)."""
    return torch.empty((size[0] * size[1] * size[2], plan.atoms * channels),
                       dtype=plan.dtype,
                       device=plan.device)


def as_rows(maps: Tensor) -> Tensor:
    """Channels-last maps as (pixels, channels)."""
    channels = maps.shape[1]
    return maps.as_strided((maps.numel() // channels, channels),
                           (channels, 1))


def cut(chunk: Optional[Chunk], maps: Tensor) -> Tensor:
    """The pixels (images, rows, columns, channels) of a chunk."""
    pixels = maps.permute(0, 2, 3, 1)
    return pixels if chunk is None else pixels[chunk.images, chunk.rows]


def new_weight(plan: Plan, by_atom: bool) -> Tensor:
    """Room for a weight with its atoms first.

    By output: (G, C_out/G, m * C/G); by atom: (G, m * C_out/G, C/G).
    """
    groups, atoms = plan.groups, plan.atoms
    outputs, channels = plan.out_channels // groups, plan.channels // groups
    return torch.empty(
        (groups, atoms * outputs, channels) if by_atom else
        (groups, outputs, atoms * channels),
        dtype=plan.dtype,
        device=plan.device)


class Forward:
    """``(x, alpha, weight, bias) -> Y``; x is (B, H, W, C)."""

    def __init__(self, plan: Plan):
        self.plan, steps = plan, plan.steps
        features = 0 if steps.multiplies else plan.channels
        chunks = plan.chunks(plan.size, steps.atom_bytes, features)
        self.is_whole = len(chunks) == 1
        self.order: Any = None if self.is_whole else plan.order(True, False)
        self.pieces: List[Piece] = []
        for chunk in chunks:
            size = (*chunk.shape, plan.size[1])
            first = chunk.rows.start
            self.pieces.append(
                Piece(
                    None if self.is_whole else chunk, size, chunk.rows,
                    steps.compose(size, self.is_whole, False),
                    applied(plan)(plan.x_shape, plan.x_strides, size, size,
                                  plan.taps, first, first,
                                  plan.geometry.stride, False)))

    def __call__(self, x: Tensor, alpha: Tensor, weight: Tensor,
                 bias: Optional[Tensor]) -> Tensor:
        plan = self.plan
        stream = plan.constants.use()
        ordered = new_weight(plan, False)
        matrix = ordered.transpose(1, 2)
        if self.is_whole:
            piece, = self.pieces
            atoms = piece.compose(stream, alpha, weight, ordered, ordered)
            return apply(plan, stream, piece, x, atoms, matrix, bias, None)
        output = torch.empty(
            (plan.batch, plan.out_channels, *plan.size),
            dtype=plan.dtype,
            device=plan.device,
            memory_format=torch.channels_last)
        self.order(stream, weight, ordered, ordered)
        for piece in self.pieces:
            apply(plan, stream, piece, piece.images(x),
                  piece.atoms(stream, alpha), matrix, bias,
                  cut(piece.chunk, output))
        return output


def applied(plan: Plan) -> Callable:
    """Makes the step of :func:`apply` for a chunk."""
    steps = plan.steps
    return steps.convolve_and_multiply if steps.multiplies else steps.convolve


def apply(plan: Plan, stream: Any, piece: Piece, source: Tensor,
          atoms: Optional[Tensor], matrix: Tensor, bias: Optional[Tensor],
          target: Optional[Tensor]) -> Tensor:
    """Both convolutions of a chunk."""
    if plan.steps.multiplies:
        return piece.convolve(stream, source, atoms, matrix, bias, target)
    features = new_features(plan, piece.size, source.shape[3])
    piece.convolve(stream, source, atoms, features)
    products = choose_products(plan.groups, plan.dtype, plan.device)
    return products.multiply(features, matrix, bias, piece.size, target)

"""Forward of a plan, chunk by chunk; a single chunk is not sliced."""
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..chunks import Chunk
from .plan import Plan
from .products import Products, choose_products
from .windows import Window, of_images, of_lines, of_pixels, see


class Piece(NamedTuple):
    """What is done for a chunk of targets; windows are None for all."""
    size: Tuple[int, int, int]
    # Steps, as the family makes them; None where they are not needed.
    compose: Any
    convolve: Any
    # Of the maps that are convolved, and of what has the atoms: coefficients
    # where they are composed here, atoms where all of them are there.
    source: Optional[Window]
    atoms: Optional[Window]
    # Of maps that are there, (images, rows, columns, channels), or their
    # lines (pixels, channels) where these are dense.
    target: Optional[Window] = None
    # Of the room for Z, and whether it is all of it.
    features: Window = Window((0, 0), (0, 1), 0)
    fills: bool = False

    def filters(self, stream: Any, alpha: Any,
                atoms: Optional[Tensor]) -> Any:
        """The chunk's; ``atoms`` are those of all chunks, if they are."""
        if atoms is not None:
            return see(self.atoms, atoms)
        return self.compose(stream, see(self.atoms, alpha), None, None, None)

    def place(self, plan: Plan, room: Optional[Tensor]) -> Tensor:
        """For Z, in the room if there is one."""
        if room is None:
            return new(plan, self.features)
        return room if self.fills else self.features.of(room)


class Room(NamedTuple):
    """For Z of one piece after the other: (pixels, G * m * channels / G)."""
    size: Tuple[int, int]
    strides: Tuple[int, int]

    def make(self, plan: Plan, products: Optional[Products]) -> \
            Optional[Tensor]:
        """None where products take memory of their own instead."""
        return new(plan, self) if products is not None \
            and products.fill_rooms else None

    @classmethod
    def of(cls, plan: Plan, pieces: Sequence[Tuple[Piece, int]]) -> \
            Tuple['Room', List[Piece]]:
        """For the largest; and the pieces with their windows of it.

        Args:
            plan (Plan): Of the call.
            pieces (Sequence): With their numbers of channels.
        """
        sizes = [(piece.size[0] * piece.size[1] * piece.size[2],
                  plan.atoms * channels) for piece, channels in pieces]
        most = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
        return cls(most, (most[1], 1)), [
            piece._replace(features=Window(size, (size[1], 1), 0),
                           fills=size == most)
            for (piece, _), size in zip(pieces, sizes)
        ]


def new(plan: Plan, shape: Sequence[Any]) -> Tensor:
    """A tensor of the size and the strides that ``shape`` begins with."""
    return torch.empty_strided(
        shape[0], shape[1], dtype=plan.dtype, device=plan.device)


def shape_weight(plan: Plan, by_atom: bool, transposed: bool) -> tuple:
    """Size and strides of a weight with its atoms first, for products.

    By output: (G, C_out/G, m * C/G); by atom: (G, m * C_out/G, C/G). One
    group has no dimension, but for families that multiply.
    """
    groups, atoms = plan.groups, plan.atoms
    outputs, channels = plan.out_channels // groups, plan.channels // groups
    rows, columns = (atoms * outputs, channels) if by_atom else (
        outputs, atoms * channels)
    size, strides = ((columns, rows), (1, columns)) if transposed else (
        (rows, columns), (columns, 1))
    if groups == 1 and not plan.steps.multiplies:
        return size, strides
    return (groups, *size), (rows * columns, *strides)


class Forward:
    """``(x, alpha, weight, bias) -> Y``; x is channels-last."""

    def __init__(self, plan: Plan):
        self.plan, steps = plan, plan.steps
        features = 0 if steps.multiplies else plan.channels
        chunks = plan.chunks(plan.size, steps.atom_bytes, features)
        self.is_whole = len(chunks) == 1
        self.order: Any = None if self.is_whole else plan.order(True, False)
        self.weight = shape_weight(plan, False, True)
        self.room, self.pieces = Room.of(
            plan, [(self._piece(chunk), plan.channels) for chunk in chunks])

    def _piece(self, chunk: Chunk) -> Piece:
        plan, steps = self.plan, self.plan.steps
        size, first = (*chunk.shape, plan.size[1]), chunk.rows.start
        return Piece(
            size, steps.compose(size, self.is_whole, False),
            applied(plan)(plan.x_shape, plan.x_strides, size, size, plan.taps,
                          first, first, plan.geometry.stride, False),
            of_images(plan.x_shape, plan.x_strides, chunk.images),
            of_pixels(plan.alpha_shape, plan.alpha_strides, chunk.images,
                      chunk.rows),
            None if self.is_whole else of_lines(chunk, plan.size,
                                                plan.out_channels))

    def __call__(self, x: Tensor, alpha: Tensor, weight: Tensor,
                 bias: Optional[Tensor]) -> Tensor:
        plan = self.plan
        stream = plan.constants.use()
        matrix = new(plan, self.weight)
        products = None if plan.steps.multiplies else products_of(plan)
        room = self.room.make(plan, products)
        if self.is_whole:
            piece, = self.pieces
            atoms = piece.compose(stream, alpha, weight, matrix, matrix)
            return apply(plan, products, stream, piece, x, atoms, matrix, bias,
                         room, None)
        output = torch.empty(
            (plan.batch, plan.out_channels, *plan.size),
            dtype=plan.dtype,
            device=plan.device,
            memory_format=torch.channels_last)
        self.order(stream, weight, matrix, matrix)
        for piece in self.pieces:
            apply(plan, products, stream, piece, see(piece.source, x),
                  piece.filters(stream, alpha, None), matrix, bias, room,
                  output)
        return output


def applied(plan: Plan) -> Callable:
    """Makes the step of :func:`apply` for a chunk."""
    steps = plan.steps
    return steps.convolve_and_multiply if steps.multiplies else steps.convolve


def apply(plan: Plan, products: Optional[Products], stream: Any, piece: Piece,
          source: Tensor, atoms: Optional[Tensor], matrix: Tensor,
          bias: Optional[Tensor], room: Optional[Tensor],
          whole: Optional[Tensor]) -> Tensor:
    """Both convolutions of a chunk; ``whole`` has its target, if any.

    ``products`` are None where the step that convolves multiplies too.
    """
    target = None if whole is None else see(piece.target, whole)
    if products is None:
        return piece.convolve(stream, source, atoms, matrix, bias,
                              _as_maps(target, piece.size))
    features = piece.place(plan, room)
    piece.convolve(stream, source, atoms, features)
    if target is None or target.dim() == 4:
        return products.multiply(features, matrix, bias, piece.size, target)
    products.write(features, matrix, bias, piece.size, target)
    return target


def _as_maps(target: Optional[Tensor], size: Sequence[int]) -> \
        Optional[Tensor]:
    return target if target is None or target.dim() == 4 \
        else target.view(*size, -1)


def products_of(plan: Plan) -> Products:
    """Those of a plan, in the precision that convolutions have now."""
    return choose_products(plan.groups, plan.dtype, plan.device)

"""Pieces of a large image, with context around each."""
from typing import List, NamedTuple, Tuple


class Tile(NamedTuple):
    """A piece of an image and the part of it whose result is taken.

    All are (rows, columns) slices of the image.
    """
    outer: Tuple[slice, slice]
    inner: Tuple[slice, slice]

    @property
    def inner_of_outer(self) -> Tuple[slice, slice]:
        """The inner part, counted from the piece's corner."""
        return tuple(
            slice(i.start - o.start, i.stop - o.start)
            for i, o in zip(self.inner, self.outer))


def tile_image(shape: Tuple[int, int],
               tile: int,
               overlap: int,
               multiple: int = 1) -> List[Tile]:
    """Cut an image into pieces whose inner parts cover it once.

    Args:
        shape (tuple[int, int]): Height and width in pixels.
        tile (int): Greatest side of a piece in pixels.
        overlap (int): Context around each inner part in pixels, up to the
            border of the image; rounded up to ``multiple``. With context as
            wide as the network's receptive field reaches, the inner part
            comes out as in the whole image.
        multiple (int): Pieces and inner parts begin at multiples of this: the
            stride of the network. Default: 1.

    Returns:
        list[Tile]: By rows. One tile if the image is not larger than a piece.

    Raises:
        ValueError: If a piece is not larger than its context.
    """
    context = -(-overlap // multiple) * multiple
    step = (tile - 2 * context) // multiple * multiple
    if overlap < 0 or step < 1:
        raise ValueError(
            f'tiles of {tile} pixels leave nothing between overlaps of '
            f'{context} on both sides: take tiles of at least '
            f'{2 * max(context, 0) + multiple}, or less overlap')
    spans = [_spans(length, tile, context, step) for length in shape]
    return [
        Tile((outer_rows, outer_columns), (rows, columns))
        for outer_rows, rows in spans[0] for outer_columns, columns in spans[1]
    ]


def _spans(length: int, tile: int, context: int,
           step: int) -> List[Tuple[slice, slice]]:
    """(outer, inner) along one side."""
    if length <= tile:
        return [(slice(0, length), slice(0, length))]
    spans = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        outer = slice(max(0, start - context), min(length, stop + context))
        spans.append((outer, slice(start, stop)))
    return spans

"""Pieces of a large image, with context around each."""
from typing import List, NamedTuple, Optional, Tuple

Window = Tuple[slice, slice]


class Tile(NamedTuple):
    """A tile, and the piece that goes through the network for it.

    Attributes:
        outer (Window): (rows, columns) of the tile with its context.
        inner (Window): (rows, columns) of the tile, whose result is taken.
    """
    outer: Window
    inner: Window

    @property
    def inner_of_outer(self) -> Window:
        """The tile, counted from the piece's corner."""
        return tuple(
            slice(i.start - o.start, i.stop - o.start)
            for i, o in zip(self.inner, self.outer))


def check_tile(tile: Optional[int], overlap: Optional[int]) -> None:
    """Refuse sides of tiles and overlaps that make no sense.

    Raises:
        ValueError: If it is so.
    """
    if tile is not None and tile < 1:
        raise ValueError(f'tile must be positive, but got {tile}')
    if overlap is not None and overlap < 0:
        raise ValueError(f'overlap must not be negative, but got {overlap}')


def tile_image(shape: Tuple[int, int],
               tile: Optional[int],
               overlap: int,
               multiple: int = 1) -> List[Tile]:
    """Cut an image into tiles that cover it once, with context around each.

    Args:
        shape (tuple[int, int]): Height and width in pixels.
        tile (int, optional): Side of a tile in pixels, without its context;
            rounded up to ``multiple``. None does not cut.
        overlap (int): Context around each tile in pixels, up to the border of
            the image; rounded up to ``multiple``. With context as wide as
            the network's receptive field reaches, a tile comes out as in the
            whole image.
        multiple (int): Pieces and tiles begin at multiples of this: the
            stride of the network. Default: 1.

    Returns:
        list[Tile]: By rows. One, without context, if the image is not larger
        than a tile.

    Raises:
        ValueError: If ``tile`` or ``overlap`` is out of range.
    """
    check_tile(tile, overlap)
    step = _round_up(tile or max(shape), multiple)
    context = _round_up(overlap, multiple)
    rows, columns = (_spans(length, step, context) for length in shape)
    return [
        Tile((outer_rows, outer_columns), (inner_rows, inner_columns))
        for outer_rows, inner_rows in rows
        for outer_columns, inner_columns in columns
    ]


def scale_window(window: Window, scale: int) -> Window:
    """The same part of an image that is ``scale`` times as large."""
    return tuple(slice(s.start * scale, s.stop * scale) for s in window)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _spans(length: int, step: int,
           context: int) -> List[Tuple[slice, slice]]:
    """(outer, inner) along one side."""
    return [(slice(max(0, start - context),
                   min(length, start + step + context)),
             slice(start, min(start + step, length)))
            for start in range(0, length, step)]

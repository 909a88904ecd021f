"""Chunks of output pixels: what a backend computes at a time."""
from typing import List, NamedTuple, Tuple


class Chunk(NamedTuple):
    """Output rows of one image, or of several whole images."""
    images: slice
    rows: slice

    @property
    def shape(self) -> Tuple[int, int]:
        return (self.images.stop - self.images.start,
                self.rows.stop - self.rows.start)


def split_pixels(batch: int, height: int, width: int,
                 pixels: int) -> List[Chunk]:
    """Chunks of at most ``pixels`` pixels each, but of one row at least."""

    def split(count: int, most: int) -> List[slice]:
        """Slices of about the same length, the first the longest."""
        size = -(-count // -(-count // max(1, most))) if count else 1
        return [
            slice(start, min(start + size, count))
            for start in range(0, count, size)
        ]

    return [
        Chunk(images, rows)
        for images in split(batch, pixels // (height * width))
        for rows in split(height, pixels // width)
    ]

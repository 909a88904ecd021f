"""Parts of tensors, known to a plan by their strides.

A slice asks a tensor for all of it, dimension by dimension, at each call; a
window is one view.
"""
from typing import Any, NamedTuple, Optional, Sequence, Tuple

from torch import Tensor

from ..chunks import Chunk


class Window(NamedTuple):
    """Of a tensor; ``slices`` are for what is sliced as one."""
    size: Tuple[int, ...]
    strides: Tuple[int, ...]
    offset: int
    slices: tuple = ()

    def of(self, whole: Any) -> Any:
        if not isinstance(whole, Tensor):
            return whole[self.slices]
        return whole.as_strided(self.size, self.strides,
                                whole.storage_offset() + self.offset)


def see(window: Optional[Window], whole: Any) -> Any:
    """The part of a tensor; None stands for all of it."""
    return whole if window is None else window.of(whole)


def of_images(shape: Sequence[int], strides: Sequence[int],
              images: slice) -> Optional[Window]:
    """Images of maps; None for all of them."""
    if images == slice(0, shape[0]):
        return None
    return Window((images.stop - images.start, *shape[1:]), tuple(strides),
                  images.start * strides[0], (images, ))


def of_pixels(shape: Sequence[int], strides: Sequence[int], images: slice,
              rows: slice) -> Optional[Window]:
    """Of coefficients (images, m, J, rows, columns); None for all."""
    if images == slice(0, shape[0]) and rows == slice(0, shape[3]):
        return None
    return Window(
        (images.stop - images.start, *shape[1:3], rows.stop - rows.start,
         shape[4]), tuple(strides),
        images.start * strides[0] + rows.start * strides[3],
        (images, slice(None), slice(None), rows))


def from_pixel(strides: Sequence[int], images: slice,
               row: int) -> Optional[Window]:
    """Atoms from an image's row on, for a kernel: it knows how many."""
    offset = images.start * strides[0] + row * strides[3]
    return Window((1, ), (1, ), offset) if offset else None


def of_lines(chunk: Chunk, size: Sequence[int], channels: int) -> Window:
    """Pixels of a chunk in dense maps (images, height, width, channels).

    They lie side by side: a chunk has all rows or one image.
    """
    height, width = size
    count, rows = chunk.shape
    assert count <= 1 or rows == height, chunk
    first = (chunk.images.start * height + chunk.rows.start) * width
    return Window((count * rows * width, channels), (channels, 1),
                  first * channels)

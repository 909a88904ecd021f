"""Where the stock backend takes the patches of a chunk of pixels from.

Both classes work on the zero-padded channels-last input and share one
interface: ``taps``, the flat indices of a patch's taps in order, and
``blocks``, the patches themselves, (pixels, taps, C).
"""
from typing import Iterator, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ..geometry import ConvGeometry

# Floats in an input row below which a call per row costs more than it saves.
ROW_FLOATS = 512


class Chunk(NamedTuple):
    """Output rows of one image, or of several whole images."""
    images: slice
    rows: slice
    width: int

    @property
    def shape(self) -> Tuple[int, int, int]:
        return (self.images.stop - self.images.start,
                self.rows.stop - self.rows.start, self.width)

    @property
    def pixels(self) -> int:
        images, rows, width = self.shape
        return images * rows * width


def find_live_taps(atom_bases: Optional[Tensor], kernel: int) -> List[int]:
    """Flat indices of the taps that some basis uses.

    Fourier-Bessel bases vanish outside a disc: 37 of 49 taps are live at
    7 x 7. Skipping the others is exact.
    """
    if atom_bases is None:
        return list(range(kernel * kernel))
    used = (atom_bases.detach().flatten(1) != 0).any(0)
    return used.nonzero().flatten().tolist() or [0]  # at least one


def pad(x: Tensor, geometry: ConvGeometry) -> Tensor:
    """Zero-padded channels-last copy (B, H + 2 pad, W + 2 pad, C)."""
    pad_h, pad_w = geometry.padding
    batch, channels, height, width = x.shape
    padded = x.new_zeros(
        (batch, height + 2 * pad_h, width + 2 * pad_w, channels))
    crop(padded, geometry).copy_(x)
    return padded


def crop(padded: Tensor, geometry: ConvGeometry) -> Tensor:
    """The part of such a copy inside the margin, (B, C, H, W)."""
    pad_h, pad_w = geometry.padding
    height, width = padded.shape[1] - 2 * pad_h, padded.shape[2] - 2 * pad_w
    return padded[:, pad_h:pad_h + height,
                  pad_w:pad_w + width].permute(0, 3, 1, 2)


class _Patches:

    def __init__(self, padded: Tensor, kernel: int, live: List[int],
                 geometry: ConvGeometry):
        self.padded, self.kernel, self.geometry = padded, kernel, geometry
        self.live = live
        self.channels = padded.shape[-1]

    def under_tap(self, padded: Tensor, chunk: Chunk, tap: int) -> Tensor:
        """Inputs under one tap: a view (images, rows, width, C)."""
        row, column = divmod(tap, self.kernel)
        (stride_h, stride_w), _, (dil_h, dil_w), _ = self.geometry
        step_b, step_h, step_w, _ = padded.stride()
        offset = (
            chunk.images.start * step_b +
            (chunk.rows.start * stride_h + row * dil_h) * step_h +
            column * dil_w * step_w)
        return padded.as_strided(
            (*chunk.shape, self.channels),
            (step_b, stride_h * step_h, stride_w * step_w, 1),
            padded.storage_offset() + offset)

    def scatter(self, grad_padded: Tensor, chunk: Chunk, atoms: Tensor,
                grad_z: Tensor) -> None:
        """Add a chunk's part of the input's gradient.

        ``atoms`` (pixels, m, taps), ``grad_z`` (pixels, m, C).
        """
        grad_patches = torch.bmm(atoms.transpose(1, 2), grad_z)
        # Tap by tap: within one tap no two pixels share an input, so plain
        # additions are enough and their order is fixed.
        live = set(self.live)
        for n, tap in enumerate(self.taps):
            if tap in live:
                view = self.under_tap(grad_padded, chunk, tap)
                view.add_(grad_patches[:, n].view(view.shape))


class GatheredPatches(_Patches):
    """Copies the live taps of a whole chunk; any device, any geometry."""

    floats_per_pixel = property(lambda self: len(self.taps) * self.channels)

    def __init__(self, *args):
        super().__init__(*args)
        self.taps = self.live
        self._memory = None

    def blocks(self, chunk: Chunk) -> Iterator[Tuple[slice, Tensor]]:
        if self._memory is None:  # the first chunk is the largest
            self._memory = self.padded.new_empty(
                (chunk.pixels, len(self.taps), self.channels))
        patches = self._memory[:chunk.pixels]
        target = patches.view(*chunk.shape, *patches.shape[1:])
        for n, tap in enumerate(self.taps):
            target[:, :, :, n].copy_(self.under_tap(self.padded, chunk, tap))
        yield slice(0, chunk.pixels), patches


class RowPatches(_Patches):
    """Views into a copy of one output row's columns.

    The copy holds the k taps of a column side by side, so that k neighbouring
    columns are a patch: k reads per pixel instead of k * k. Batched products
    take the overlapping views as they are. Needs an undilated width.
    """

    floats_per_pixel = 0  # the row's copy does not grow with the chunk

    def __init__(self, *args):
        super().__init__(*args)
        span = range(self.kernel)
        self.taps = [r * self.kernel + c for c in span for r in span]
        self._columns = self.padded.new_empty(
            (self.padded.shape[2], self.kernel, self.channels))

    def blocks(self, chunk: Chunk) -> Iterator[Tuple[slice, Tensor]]:
        columns = self._columns
        step = self.kernel * self.channels
        (stride_h, stride_w), _, (dil_h, _), _ = self.geometry
        patches = columns.as_strided(
            (chunk.width, len(self.taps), self.channels),
            (stride_w * step, self.channels, 1))
        start = 0
        for image in self.padded[chunk.images]:
            for row in range(chunk.rows.start, chunk.rows.stop):
                first = row * stride_h
                rows = image[first:first + (self.kernel - 1) * dil_h +
                             1:dil_h]
                columns.copy_(rows.transpose(0, 1))
                yield slice(start, start + chunk.width), patches
                start += chunk.width

    def scatter(self, grad_padded: Tensor, chunk: Chunk, atoms: Tensor,
                grad_z: Tensor) -> None:
        if self.geometry.stride[1] > 1:
            super().scatter(grad_padded, chunk, atoms, grad_z)
            return
        # The other way round: column q collects from the k pixels whose
        # patches hold it, (k, k * m) @ (k * m, C), where the right side is
        # again a view that overlaps that of the next column.
        kernel, num_atoms, margin = self.kernel, atoms.shape[1], self.kernel - 1
        columns = chunk.width + margin
        size = num_atoms * kernel * kernel
        padded_atoms = atoms.new_zeros((columns + margin, size))
        padded_z = grad_z.new_zeros(
            (columns + margin, num_atoms, self.channels))
        turned = padded_atoms.as_strided(
            (columns, kernel, kernel, num_atoms),
            (size, 1, size - kernel, kernel * kernel), margin * kernel)
        sources = padded_z.as_strided(
            (columns, kernel * num_atoms, self.channels),
            (num_atoms * self.channels, self.channels, 1))
        left = atoms.new_empty((columns, kernel, kernel * num_atoms))
        result = atoms.new_empty((columns, kernel, self.channels))
        inner = slice(margin, margin + chunk.width)
        stride_h, dil_h = self.geometry.stride[0], self.geometry.dilation[0]
        start = 0
        for image in grad_padded[chunk.images]:
            for row in range(chunk.rows.start, chunk.rows.stop):
                stop = start + chunk.width
                padded_atoms[inner] = atoms[start:stop].view(-1, size)
                padded_z[inner] = grad_z[start:stop]
                left.view(turned.shape).copy_(turned)
                torch.bmm(left, sources, out=result)
                first = row * stride_h
                image[first:first + margin * dil_h + 1:dil_h, :columns].add_(
                    result.transpose(0, 1))
                start = stop


def make_patches(x: Tensor, kernel: int, live: List[int],
                 geometry: ConvGeometry) -> _Patches:
    """Patches of x by the quicker way that its device and geometry allow."""
    by_row = x.device.type == 'cpu' and geometry.dilation[1] == 1 \
        and x.shape[1] * x.shape[3] >= ROW_FLOATS
    return (RowPatches if by_row else GatheredPatches)(pad(x, geometry),
                                                       kernel, live, geometry)

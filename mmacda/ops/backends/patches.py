"""Where the stock backend takes the patches of a chunk of pixels from.

Both classes work on the zero-padded channels-last input and share one
interface: ``taps``, the flat indices of a patch's taps in order; ``read``, the
patches of a chunk; ``scatter``, their gradient's way back; and
``pixels_per_row``, the width at which they expect a chunk's pixels.
"""
import math
from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ..geometry import ConvGeometry


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
        """Slices of about the same length."""
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


class GatheredPatches:
    """Copies the live taps of every pixel; any device, any geometry."""

    def __init__(self, padded: Tensor, kernel: int, live: List[int],
                 width: int, geometry: ConvGeometry):
        self.padded, self.kernel, self.geometry = padded, kernel, geometry
        self.channels = padded.shape[-1]
        self.width = self.pixels_per_row = width
        self.live = self.taps = live
        self.floats_per_pixel = len(live) * self.channels
        self._memory = padded.new_empty(0)

    def under_tap(self, padded: Tensor, chunk: Chunk, tap: int,
                  width: int) -> Tensor:
        """Inputs under one tap: a view (images, rows, width, C)."""
        row, column = divmod(tap, self.kernel)
        (stride_h, stride_w), _, (dil_h, dil_w), _ = self.geometry
        step_b, step_h, step_w, _ = padded.stride()
        offset = (
            chunk.images.start * step_b +
            (chunk.rows.start * stride_h + row * dil_h) * step_h +
            column * dil_w * step_w)
        return padded.as_strided(
            (*chunk.shape, width, self.channels),
            (step_b, stride_h * step_h, stride_w * step_w, 1), offset)

    def _take(self, chunk: Chunk, *shape: int) -> Tensor:
        size = chunk.shape[0] * chunk.shape[1] * math.prod(shape)
        if self._memory.numel() < size:
            self._memory = self.padded.new_zeros(
                size + self.kernel**2 * self.channels)
        return self._memory[:size].view(*chunk.shape, *shape)

    def read(self, chunk: Chunk) -> Tensor:
        """The chunk's patches, (pixels, taps, C)."""
        target = self._take(chunk, self.width, len(self.taps), self.channels)
        for n, tap in enumerate(self.taps):
            target[:, :, :, n] = self.under_tap(self.padded, chunk, tap,
                                                self.width)
        return target.flatten(0, 2)

    def scatter(self, grad_padded: Tensor, chunk: Chunk, atoms: Tensor,
                grad_z: Tensor) -> None:
        """Add a chunk's part of the input's gradient.

        ``atoms`` (pixels, m, taps), ``grad_z`` (pixels, m, C).
        """
        grad_patches = torch.bmm(atoms.transpose(1, 2), grad_z).view(
            *chunk.shape, self.pixels_per_row, -1, self.channels)
        # Tap by tap: within one tap no two pixels share an input, so plain
        # additions are enough and their order is fixed.
        live = set(self.live)
        for n, tap in enumerate(self.taps):
            if tap in live:
                view = self.under_tap(grad_padded, chunk, tap, self.width)
                view.add_(grad_patches[:, :, :self.width, n])


class ColumnPatches(GatheredPatches):
    """Views into a copy that holds the k taps of a column side by side.

    There k neighbouring columns are a patch: k reads per pixel instead of
    k * k. Batched products take the overlapping views as they are. A row has
    as many pixels as its columns have room for; those from ``width`` on are
    junk, whose atoms are zero. Needs an undilated width.
    """

    def __init__(self, padded: Tensor, kernel: int, live: List[int],
                 width: int, geometry: ConvGeometry):
        super().__init__(padded, kernel, live, width, geometry)
        span, stride = range(kernel), geometry.stride[1]
        self.taps = [r * kernel + c for c in span for r in span]
        self.pixels_per_row = width + (kernel - 1) // stride
        self.columns = self.pixels_per_row * stride
        self.floats_per_pixel = kernel * self.channels * stride

    def read(self, chunk: Chunk) -> Tensor:
        target = self._take(chunk, self.columns, self.kernel, self.channels)
        step_b, step_h, step_w, _ = self.padded.stride()
        (stride_h, stride_w), _, (dil_h, _), _ = self.geometry
        columns = min(self.columns, self.padded.shape[2])
        target[:, :, :columns] = self.padded.as_strided(
            (*chunk.shape, columns, self.kernel, self.channels),
            (step_b, stride_h * step_h, step_w, dil_h * step_h, 1),
            chunk.images.start * step_b +
            chunk.rows.start * stride_h * step_h)
        step = self.kernel * self.channels
        pixels = target.numel() // (step * stride_w)
        return self._memory.as_strided(
            (pixels, len(self.taps), self.channels),
            (stride_w * step, self.channels, 1))

    def scatter(self, grad_padded: Tensor, chunk: Chunk, atoms: Tensor,
                grad_z: Tensor) -> None:
        if self.geometry.stride[1] > 1:
            super().scatter(grad_padded, chunk, atoms, grad_z)
            return
        # The other way round: a column collects from the k pixels whose
        # patches hold it, (k, k * m) @ (k * m, C), where the right side is
        # again a view that overlaps that of the next column. The junk pixels,
        # all zero, keep the rows apart.
        kernel, margin = self.kernel, self.kernel - 1
        pixels, num_atoms, _ = atoms.shape
        size = num_atoms * kernel * kernel
        behind = atoms.new_zeros((pixels + margin, size))
        behind[margin:] = atoms.view(pixels, size)
        turned = behind.as_strided(
            (pixels, kernel, kernel, num_atoms),
            (size, 1, size - kernel, kernel * kernel), margin * kernel)
        sources = grad_z.new_zeros(
            (pixels + margin, num_atoms, self.channels))
        sources[margin:] = grad_z
        sources = sources.as_strided(
            (pixels, kernel * num_atoms, self.channels),
            (num_atoms * self.channels, self.channels, 1))
        columns = torch.bmm(turned.reshape(pixels, kernel, -1), sources)
        columns = columns.view(*chunk.shape, self.columns, kernel, -1)
        for row in range(kernel):
            view = self.under_tap(grad_padded, chunk, row * kernel,
                                  self.columns)
            view.add_(columns[:, :, :, row])


def make_patches(x: Tensor, kernel: int, live: List[int], width: int,
                 geometry: ConvGeometry) -> GatheredPatches:
    """Patches of x by the quicker way that its device and geometry allow."""
    columns = x.device.type == 'cpu' and geometry.dilation[1] == 1
    return (ColumnPatches if columns else GatheredPatches)(pad(
        x, geometry), kernel, live, width, geometry)

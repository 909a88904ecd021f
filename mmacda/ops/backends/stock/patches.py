"""The patches that the stock backend convolves.

``GatheredPatches`` copies patches and takes batched products, on any device;
``bags.py`` has a quicker way for CPUs with the same interface.
"""
import math
from typing import Sequence, Tuple

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ...memory_format import copy_to_pixels
from ..chunks import Chunk


def pad(x: Tensor, geometry: ConvGeometry) -> Tensor:
    """Zero-padded channels-last copy (B, H + 2 pad, W + 2 pad, C)."""
    pad_h, pad_w = geometry.padding
    batch, channels, height, width = x.shape
    padded = x.new_zeros(
        (batch, height + 2 * pad_h, width + 2 * pad_w, channels))
    copy_to_pixels(x, crop(padded, geometry))
    return padded


def crop(padded: Tensor, geometry: ConvGeometry) -> Tensor:
    """The part of such a copy inside the margin, (B, C, H, W)."""
    pad_h, pad_w = geometry.padding
    height, width = padded.shape[1] - 2 * pad_h, padded.shape[2] - 2 * pad_w
    return padded[:, pad_h:pad_h + height,
                  pad_w:pad_w + width].permute(0, 3, 1, 2)


class GatheredPatches:
    """Patches of the zero-padded channels-last input, copied tap by tap.

    Args:
        x (Tensor): Input (B, C, H, W).
        kernel (int): k.
        live (Sequence[int]): Flat indices of the taps to visit.
        size (tuple): Output height and width.
        geometry (ConvGeometry): Of the convolution.

    Attributes:
        padded (Tensor): The padded input (B, H + 2 pad, W + 2 pad, C).
        taps (List[int]): Flat tap indices, in the order of the atoms' taps.
        grad_taps (List[int]): The same for :meth:`correlate`.
    """

    def __init__(self, x: Tensor, kernel: int, live: Sequence[int],
                 size: Tuple[int, int], geometry: ConvGeometry):
        self.kernel, self.geometry = kernel, geometry
        self.height, self.width = size
        self.padded = pad(x, geometry)
        self.channels = x.shape[1]
        self.taps = self.grad_taps = list(live)
        self._memory = x.new_empty(0)

    def floats_per_pixel(self, atoms: int, backward: bool) -> int:
        """Working memory of a chunk."""
        floats = len(self.taps) * self.channels
        return 2 * floats if backward else floats

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
            (*chunk.shape, self.width, self.channels),
            (step_b, stride_h * step_h, stride_w * step_w, 1), offset)

    def take(self, *shape: int) -> Tensor:
        """Memory that the next call takes again."""
        size = math.prod(shape)
        if self._memory.numel() < size:
            self._memory = self.padded.new_empty(size)
        return self._memory[:size].view(shape)

    def read(self, chunk: Chunk) -> Tensor:
        """The chunk's patches, (pixels, taps, C)."""
        target = self.take(*chunk.shape, self.width, len(self.taps),
                           self.channels)
        for n, tap in enumerate(self.taps):
            target[:, :, :, n] = self.under_tap(self.padded, chunk, tap)
        return target.flatten(0, 2)

    def convolve(self, chunk: Chunk, atoms: Tensor) -> Tensor:
        """Atom convolution: (pixels, m, taps) to (pixels, m, C)."""
        return torch.bmm(atoms, self.read(chunk))

    def correlate(self, chunk: Chunk, grad_z: Tensor) -> Tensor:
        """Gradient of the atoms (pixels, m, taps)."""
        return torch.bmm(grad_z, self.read(chunk).transpose(1, 2))

    def turn(self, chunk: Chunk, atoms: Tensor) -> Tensor:
        """Atoms as :meth:`scatter` needs them."""
        return atoms

    def scatter(self, grad_padded: Tensor, chunk: Chunk, turned: Tensor,
                grad_z: Tensor) -> None:
        """Add a chunk's part of the padded input's gradient."""
        grad_patches = torch.bmm(turned.transpose(1, 2), grad_z).view(
            *chunk.shape, self.width, len(self.taps), -1)
        # Tap by tap: within one tap no two pixels share an input, so plain
        # additions are enough and their order is fixed.
        for n, tap in enumerate(self.taps):
            view = self.under_tap(grad_padded, chunk, tap)
            view.add_(grad_patches[:, :, :, n])

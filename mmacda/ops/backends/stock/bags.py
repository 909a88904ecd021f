"""The stock backend's patches on a CPU: weighted sums of rows.

Z of a pixel and an atom is a sum of rows of the input (all channels of an
input pixel), weighted by the atom's taps: a bag of PyTorch's
``embedding_bag``, which reads the rows where they are. The gradient of the
input is such a sum as well, of rows of Z's gradient.
"""
from typing import Callable, Dict, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import ConvGeometry
from ..chunks import Chunk
from .patches import GatheredPatches

# Narrower maps have too few pixels in a row for a product per row.
LEAST_WIDTH = 16


def sum_bags(rows: Tensor, numbers: Tensor, weights: Tensor,
             bags: int) -> Tensor:
    """Weighted sums of rows.

    Args:
        rows (Tensor): Shape (n, C), contiguous.
        numbers (Tensor): The rows that each sum takes, int32, shape (sums,
            length), contiguous.
        weights (Tensor): One for each, contiguous.
        bags (int): Rows of the result, zero from the last sum on.

    Returns:
        Tensor: Shape (bags, C).
    """
    sums, length = numbers.shape
    starts = torch.arange(bags, dtype=torch.int32).mul_(length)
    return F.embedding_bag(
        numbers.view(-1),
        rows,
        starts.clamp_(max=sums * length),
        mode='sum',
        per_sample_weights=weights.reshape(-1))


class BaggedPatches(GatheredPatches):
    """Bags of rows; see the base class for arguments and methods.

    :meth:`convolve` returns a multiple of ``multiple`` pixels, the last ones
    zero.
    """

    def __init__(self, x: Tensor, kernel: int, live: Sequence[int],
                 size: Tuple[int, int], geometry: ConvGeometry, multiple: int):
        super().__init__(x, kernel, live, size, geometry)
        self.multiple = multiple
        self.in_columns = size[1] >= LEAST_WIDTH and geometry.dilation[1] == 1
        if self.in_columns:
            by_columns = [
                row * kernel + column for column in range(kernel)
                for row in range(kernel)
            ]
            places = [by_columns.index(tap) for tap in live]
            self.first_place = min(places)
            self.grad_taps = by_columns[min(places):max(places) + 1]
        self._numbers: Dict[tuple, Tensor] = {}

    def floats_per_pixel(self, atoms: int, backward: bool) -> int:
        numbers = atoms * len(self.taps)
        if not backward:
            return numbers
        patch = self.kernel if self.in_columns else len(self.taps)
        return 4 * numbers + patch * self.channels

    def _number(self, key: tuple, make: Callable[[], Tensor]) -> Tensor:
        """Row numbers, made once for chunks that are alike."""
        if key not in self._numbers:
            self._numbers[key] = make()
        return self._numbers[key]

    def convolve(self, chunk: Chunk, atoms: Tensor) -> Tensor:
        pixels, count, _ = atoms.shape
        (stride_h, stride_w), _, (dil_h, dil_w), _ = self.geometry
        _, high, wide, channels = self.padded.shape

        def number() -> Tensor:
            rows = _grid((high * wide, stride_h * wide, stride_w),
                         (*chunk.shape, self.width))
            away = _integers(self.taps)
            away = away // self.kernel * (dil_h * wide) + \
                away % self.kernel * dil_w
            return rows.view(-1, 1, 1) + away.expand(count, -1)

        # The first chunk is the largest: others take the first numbers.
        numbers = self._number(('convolve', ), number).flatten(0, 1)
        first = chunk.images.start * high + chunk.rows.start * stride_h
        filled = -(-pixels // self.multiple) * self.multiple
        z = sum_bags(
            self.padded.view(-1, channels)[first * wide:],
            numbers[:pixels * count], atoms, filled * count)
        return z.view(filled, count, channels)

    def correlate(self, chunk: Chunk, grad_z: Tensor) -> Tensor:
        if not self.in_columns:
            return super().correlate(chunk, grad_z)
        # A copy that holds the k inputs of a column side by side: there k
        # neighbouring columns are a patch, a view that batched products take
        # as it is.
        kernel, width, channels = self.kernel, self.width, self.channels
        (stride_h, stride_w), _, (dil_h, _), _ = self.geometry
        step_b, step_h, step_w, _ = self.padded.stride()
        images, rows = chunk.shape
        wide = (width - 1) * stride_w + kernel
        columns = self.take(images, rows, wide, kernel, channels)
        columns.copy_(
            self.padded.as_strided(
                columns.shape,
                (step_b, stride_h * step_h, step_w, dil_h * step_h, 1),
                chunk.images.start * step_b +
                chunk.rows.start * stride_h * step_h))
        patches = columns.as_strided(
            (images * rows, width, channels, len(self.grad_taps)),
            (wide * kernel * channels, stride_w * kernel * channels, 1,
             channels), self.first_place * channels)
        grad = grad_z.new_empty((*grad_z.shape[:2], len(self.grad_taps)))
        for target, left, right in zip(
                grad.unflatten(0, (-1, width)).unbind(),
                grad_z.unflatten(0, (-1, width)).unbind(), patches.unbind()):
            torch.bmm(left, right, out=target)
        return grad

    def turn(self, chunk: Chunk, atoms: Tensor) -> Tensor:
        """For each input pixel the atoms that read it: (inputs, taps, m)."""
        if self.geometry.stride != (1, 1):
            return atoms
        pixels, count, taps = atoms.shape

        def number() -> Tensor:
            y, x = self._outputs(chunk)
            images, rows = chunk.shape
            seen = ((y >= 0) & (y < rows))[:, None] & \
                ((x >= 0) & (x < self.width))
            places = _grid((pixels // images, ), (images, )).view(-1, 1, 1, 1)
            places = (places + y[:, None] * self.width + x) * taps
            places += torch.arange(taps, dtype=torch.int32)
            return torch.where(seen, places, pixels * taps).flatten(0, 2)

        # Pixel by pixel and tap by tap, and then a row of zeros.
        table = atoms.new_empty((pixels * taps + 1, count))
        table[:-1].view(pixels, taps, count).copy_(atoms.transpose(1, 2))
        table[-1] = 0
        numbers = self._number(('turn', *self._alike(chunk)), number)
        return F.embedding(numbers, table)

    def scatter(self, grad_padded: Tensor, chunk: Chunk, turned: Tensor,
                grad_z: Tensor) -> None:
        if self.geometry.stride != (1, 1):
            super().scatter(grad_padded, chunk, turned, grad_z)
            return
        _, count, channels = grad_z.shape

        def number() -> Tensor:
            y, x = self._outputs(chunk)
            images, rows = chunk.shape
            # Beyond the chunk any row will do: its weight is zero.
            y = y.clamp(0, rows - 1) * (self.width * count)
            x = x.clamp(0, self.width - 1) * count
            places = _grid((rows * self.width * count, ), (images, ))
            places = places.view(-1, 1, 1, 1) + y[:, None] + x
            atoms = torch.arange(count, dtype=torch.int32)
            return (places[..., None] + atoms).view(-1, len(self.taps) * count)

        numbers = self._number(('scatter', *self._alike(chunk)), number)
        grad = sum_bags(
            grad_z.reshape(-1, channels), numbers, turned, len(numbers))
        (top, bottom), (left, right) = self._inputs(chunk)
        target = grad_padded[chunk.images, top:bottom, left:right]
        target += grad.view(target.shape)

    def _inputs(self, chunk: Chunk) -> tuple:
        """Rows and columns of the padded input, without the padding, that a
        chunk reads."""
        _, (pad_h, pad_w), (dil_h, _), _ = self.geometry
        _, high, wide, _ = self.padded.shape
        top = max(chunk.rows.start, pad_h)
        bottom = min(chunk.rows.stop + (self.kernel - 1) * dil_h, high - pad_h)
        return (top, max(top, bottom)), (pad_w, wide - pad_w)

    def _alike(self, chunk: Chunk) -> tuple:
        """What chunks with the same numbers share."""
        (top, bottom), _ = self._inputs(chunk)
        return *chunk.shape, top - chunk.rows.start, bottom - top

    def _outputs(self, chunk: Chunk) -> Tuple[Tensor, Tensor]:
        """Rows and columns of the outputs that read an input under a tap.

        Returns:
            tuple: (input rows, taps) and (input columns, taps), relative to
            the chunk; not all of them are inside it.
        """
        _, _, (dil_h, dil_w), _ = self.geometry
        (top, bottom), (left, right) = self._inputs(chunk)
        taps, start = _integers(self.taps), chunk.rows.start
        y = torch.arange(top - start, bottom - start, dtype=torch.int32)
        x = torch.arange(left, right, dtype=torch.int32)
        return (y[:, None] - taps // self.kernel * dil_h,
                x[:, None] - taps % self.kernel * dil_w)


def _integers(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def _grid(steps: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Sums of a multiple of each step, shape ``sizes``."""
    total = torch.zeros((), dtype=torch.int32)
    for step, size in zip(steps, sizes):
        total = total[..., None] + step * torch.arange(
            size, dtype=torch.int32)
    return total

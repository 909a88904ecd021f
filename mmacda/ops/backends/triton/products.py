"""The products of a plan: what the coefficient convolution is made of.

They take TensorFloat-32 where convolutions do (``torch.backends.cudnn``), not
where matrix products do (``torch.backends.cuda.matmul``): the layer stands in
the place of a convolution. Nobody's settings are touched for that: where the
two differ, the products are made as convolutions.
"""
from functools import lru_cache
from typing import Any, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

Size = Tuple[int, int, int]  # images, rows, columns
# torch >= 2.9 has one name for all precisions, and warns of the older ones.
HAS_NAMES = hasattr(torch.backends, 'fp32_precision')


def _take_tf32() -> Tuple[bool, bool]:
    """Whether convolutions do, and whether matrix products do."""
    if HAS_NAMES:
        cudnn: Any = torch.backends.cudnn
        return (cudnn.conv.fp32_precision == 'tf32',
                torch.backends.cuda.matmul.fp32_precision == 'tf32')
    return (torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32)


class Products:
    """Matrix products, group by group.

    Features are (pixels, G * K), with K values of a group side by side.
    """

    # Whether results go where they are wanted, and need no memory of theirs.
    fill_rooms = True

    def __init__(self, groups: int):
        self.groups = groups

    def multiply(self, features: Tensor, matrix: Tensor,
                 bias: Optional[Tensor], size: Size,
                 target: Optional[Tensor] = None) -> Tensor:
        """``features @ matrix + bias`` at pixels of that size.

        Args:
            features (Tensor): Shape (pixels, G * K).
            matrix (Tensor): Shape (G, K, N), any strides; or (K, N) of one
                group.
            bias (Tensor, optional): Shape (G * N, ).
            size (tuple): Images, rows, columns: the pixels.
            target (Tensor, optional): Written, (images, rows, columns,
                G * N), any strides. None makes a new one.

        Returns:
            Tensor: Maps (images, G * N, rows, columns), channels-last.
        """
        images, height, width = size
        count = self.groups * matrix.shape[-1]
        is_dense = target is not None and target.is_contiguous()
        maps = target.permute(  # type: ignore[union-attr]
            0, 3, 1, 2) if is_dense else torch.empty_strided(
            (images, count, height, width),
            (height * width * count, 1, width * count, count),
            dtype=features.dtype,
            device=features.device)
        self.write(features, matrix, bias, size, maps.as_strided(
            (images * height * width, count), (count, 1),
            maps.storage_offset()))
        if target is not None and not is_dense:
            target.copy_(maps.permute(0, 2, 3, 1))
        return maps

    def write(self, features: Tensor, matrix: Tensor, bias: Optional[Tensor],
              size: Size, lines: Tensor) -> None:
        """:meth:`multiply` into dense lines (pixels, G * N)."""
        if self.groups > 1:
            torch.bmm(self._split(features), matrix, out=self._split(lines))
            if bias is not None:
                lines += bias
            return
        matrix = matrix if matrix.dim() == 2 else matrix[0]
        if bias is None:
            torch.mm(features, matrix, out=lines)
        else:
            torch.addmm(bias, features, matrix, out=lines)

    def lines(self, features: Tensor, matrix: Tensor, size: Size,
              room: Tensor) -> Tensor:
        """:meth:`multiply` to dense lines, in the room if they fill rooms."""
        self.write(features, matrix, None, size, room)
        return room

    def correlate(self, grad: Tensor, features: Tensor) -> Tensor:
        """``grad' @ features`` summed over pixels: (G * N, K)."""
        if self.groups == 1:
            return torch.mm(grad.t(), features)
        return torch.bmm(
            self._split(grad).transpose(1, 2),
            self._split(features)).flatten(0, 1)

    def _split(self, rows: Tensor) -> Tensor:
        """(pixels, G * n) as (G, pixels, n)."""
        return rows.view(len(rows), self.groups, -1).transpose(0, 1)


class ConvolvedProducts(Products):
    """The same by pointwise convolutions, in the precision of these."""

    fill_rooms = False

    def multiply(self, features, matrix, bias, size, target=None):
        count = matrix.shape[-2]
        maps = F.conv2d(
            self._as_maps(features, size),
            matrix.transpose(-2, -1).reshape(-1, count, 1, 1), bias,
            groups=self.groups)
        if target is not None:
            target.copy_(maps.permute(0, 2, 3, 1))
        return maps.contiguous(memory_format=torch.channels_last)

    def write(self, features, matrix, bias, size, lines):
        lines.copy_(self._lines_of(
            self.multiply(features, matrix, bias, size)))

    def lines(self, features, matrix, size, room):
        return self._lines_of(self.multiply(features, matrix, None, size))

    def correlate(self, grad, features):
        shape = (grad.shape[1], features.shape[1] // self.groups, 1, 1)
        size = (1, len(grad), 1)
        return torch.nn.grad.conv2d_weight(
            self._as_maps(features, size), shape, self._as_maps(grad, size),
            groups=self.groups).flatten(1).contiguous()

    @staticmethod
    def _lines_of(maps: Tensor) -> Tensor:
        """Channels-last maps as (pixels, channels)."""
        return maps.permute(0, 2, 3, 1).flatten(0, 2)

    @staticmethod
    def _as_maps(rows: Tensor, size: Size) -> Tensor:
        return rows.view(*size, -1).permute(0, 3, 1, 2)


@lru_cache(maxsize=None)
def _make(kind: type, groups: int) -> Products:
    return kind(groups)


def choose_products(groups: int, dtype: torch.dtype,
                    device: torch.device) -> Products:
    """Those in the precision that convolutions have now."""
    if dtype == torch.float32 and device.type == 'cuda' \
            and torch.version.hip is None:
        convolutions, matrices = _take_tf32()
        if convolutions != matrices:
            return _make(ConvolvedProducts, groups)
    return _make(Products, groups)

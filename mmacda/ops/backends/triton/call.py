"""The steps of a call of the Triton backend, chunk by chunk."""
from types import ModuleType
from typing import List, Optional, Sequence

import torch
from torch import Tensor

from ...geometry import ConvGeometry
from ..bases import describe
from ..chunks import Chunk, split_pixels
from .taps import Taps, backward_taps, forward_taps, to_device

# Of a chunk: an eighth of what an unfold would take, within these bounds. A
# few chunks per call keep the GPU busy; none of them is full-size.
WORKSPACE_BYTES = (4 * 2**20, 128 * 2**20)
FLOAT_BYTES = 4


def _pixels_first(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H, W, C) with unit stride in C."""
    pixels = x.permute(0, 2, 3, 1)
    return pixels if pixels.stride(3) == 1 else pixels.contiguous()


def _multiply(a: Tensor, b: Tensor, out: Tensor) -> None:
    """``out = a @ b``, group by group."""
    if len(a) == 1:
        torch.mm(a[0], b[0], out=out[0])
    else:
        torch.bmm(a, b, out=out)


class Call:
    """What forward and backward share."""

    # Whether `apply` takes memory for Z of a chunk.
    stores_features = True
    # What a GPU is tried with.
    dtype = torch.float32

    def __init__(self, launch: ModuleType, x: Tensor, alpha: Tensor,
                 atom_bases: Optional[Tensor], weight: Tensor,
                 geometry: ConvGeometry):
        self.launch = launch
        self.x, self.alpha, self.geometry = _pixels_first(x), alpha, geometry
        self.batch, self.atoms, count = alpha.shape[:3]
        self.size = tuple(alpha.shape[3:])
        self.groups, self.out_channels = geometry.groups, weight.shape[0]
        self.channels = x.shape[1]
        # (G, C_out/G, C/G, m)
        self.weight = weight.reshape(
            self.groups, -1, self.channels // self.groups, self.atoms)
        self.kernel = round(
            count**0.5) if atom_bases is None else atom_bases.shape[-1]
        self.direct = atom_bases is None
        self.bases = describe(atom_bases, count)
        self.taps = forward_taps(self.bases.live, self.kernel, geometry)

    def chunks(self, size: Sequence[int], floats: int,
               channels: int) -> List[Chunk]:
        """Chunks of ``floats`` and m times ``channels`` values per pixel."""
        element = self.alpha.element_size()
        bytes_per_pixel = FLOAT_BYTES * floats
        bytes_per_pixel += element * self.atoms * channels
        unfold = self.batch * size[0] * size[1] * self.kernel**2
        unfold *= element * self.channels
        least, most = WORKSPACE_BYTES
        budget = max(least, min(unfold // 8, most))
        return split_pixels(self.batch, size[0], size[1],
                            budget // max(1, bytes_per_pixel))

    @property
    def atom_floats(self) -> int:
        """Values that the atoms of a pixel take beside the coefficients."""
        return 0 if self.direct else self.atoms * len(self.taps)

    def _psi(self, like: Tensor, transposed: bool = False) -> Tensor:
        return self.bases.at(self.bases.live, like, torch.float32, transposed)

    def compose(self, chunk: Chunk) -> Tensor:
        """Atoms of a chunk: (images, m, taps, rows, columns)."""
        alpha = self.alpha[chunk.images, :, :, chunk.rows]
        if self.direct:
            return alpha
        atoms = torch.empty(
            (len(self.taps), *chunk.shape, self.size[1], self.atoms),
            dtype=torch.float32,
            device=alpha.device).permute(1, 4, 0, 2, 3)
        self.launch.mix(alpha[None], self._psi(alpha), atoms)
        return atoms

    def new_features(self, size: tuple, channels: int) -> Tensor:
        """Room for Z: (G, pixels, m * channels / G)."""
        return self.x.new_empty(
            (self.groups, size[0] * size[1] * size[2],
             self.atoms * (channels // self.groups)))

    def convolve(self, chunk: Chunk) -> Tensor:
        """Z of a chunk: (G, pixels, m * C/G), atom by atom."""
        size = (*chunk.shape, self.size[1])
        features = self.new_features(size, self.channels)
        self.launch.convolve(
            self.x[chunk.images], self.compose(chunk), features,
            to_device(self.taps, self.x.device), size, chunk.rows.start,
            chunk.rows.start, self.geometry.stride, False)
        return features

    def split_groups(self, pixels: Tensor) -> Tensor:
        """(images, rows, columns, G * n) as (G, pixels, n)."""
        return pixels.flatten(0, 2).unflatten(
            1, (self.groups, -1)).transpose(0, 1)

    def output(self) -> Tensor:
        # Not a view of anything: activations may follow in place.
        output = torch.empty(
            (self.batch, self.out_channels, *self.size),
            dtype=self.x.dtype,
            device=self.x.device,
            memory_format=torch.channels_last)
        pixels = output.permute(0, 2, 3, 1)
        weight = self.weight.permute(0, 3, 2, 1).flatten(1, 2)
        channels = self.channels if self.stores_features else 0
        for chunk in self.chunks(self.size, self.atom_floats, channels):
            self.apply(self.x[chunk.images], self.compose(chunk), self.taps,
                       chunk, chunk.rows.start, self.geometry.stride, False,
                       weight, pixels[chunk.images, chunk.rows])
        return output

    def apply(self, source: Tensor, atoms: Tensor, taps: Taps, chunk: Chunk,
              first_atoms_row: int, step: tuple, follow: bool, weight: Tensor,
              target: Tensor) -> None:
        """Both convolutions of a chunk; see ``launch.convolve``.

        ``weight`` is (G, m * channels / G, outputs / G), ``target`` (images,
        rows, columns, outputs).
        """
        size = tuple(target.shape[:3])
        features = self.new_features(size, source.shape[3])
        self.launch.convolve(source, atoms, features,
                             to_device(taps, source.device), size,
                             chunk.rows.start, first_atoms_row, step, follow)
        if target.is_contiguous():
            _multiply(features, weight, self.split_groups(target))
        else:
            pixels = torch.empty_like(
                target, memory_format=torch.contiguous_format)
            _multiply(features, weight, self.split_groups(pixels))
            target.copy_(pixels)

    def grad_input(self, dy: Tensor) -> Tensor:
        """Gradient (B, C, H, W); ``dy`` is (B, Ho, Wo, C_out)."""
        height, width = self.x.shape[1:3]
        grad = self.x.new_zeros((self.batch, height, width, self.channels))
        weight = self.weight.permute(0, 3, 1, 2).flatten(1, 2)
        stride_h, stride_w = self.geometry.stride
        for phase_h in range(min(stride_h, height)):
            for phase_w in range(min(stride_w, width)):
                taps = backward_taps(self.taps, self.geometry, phase_h,
                                      phase_w)
                part = grad[:, phase_h::stride_h, phase_w::stride_w]
                floats = self.atom_floats + self.channels
                channels = self.out_channels if self.stores_features else 0
                for chunk in self.chunks(part.shape[1:3], floats, channels):
                    self._gather(dy, taps, weight, chunk, part)
        return grad.permute(0, 3, 1, 2)

    def _gather(self, dy: Tensor, taps: Taps, weight: Tensor, chunk: Chunk,
                grad: Tensor) -> None:
        """Write a chunk's part of ``grad``, zero so far."""
        height = self.size[0]
        first = chunk.rows.start + min((tap[0] for tap in taps), default=0)
        last = chunk.rows.stop + max((tap[0] for tap in taps), default=0)
        first, last = max(0, first), min(last, height)
        if not taps or first >= last:
            return
        atoms = self.compose(Chunk(chunk.images, slice(first, last)))
        self.apply(dy[chunk.images], atoms, taps, chunk, first, (1, 1), True,
                   weight, grad[chunk.images, chunk.rows])

    def grad_others(self, dy: Tensor, need_alpha: bool, need_weight: bool):
        """Gradients of the coefficients and the weight, where needed."""
        grad_alpha = torch.empty_like(self.alpha) if need_alpha else None
        grad_weight = self.weight.new_zeros(
            (self.groups, self.out_channels // self.groups,
             self.weight[0, 0].numel()),
            dtype=torch.float32) if need_weight else None
        weight = self.weight.transpose(2, 3).flatten(2)
        # The atoms are gone when there is room for their gradient's parts.
        parts = self.launch.count_parts(self.x, self.atoms)
        floats = parts * self.atoms * len(self.taps)
        for chunk in self.chunks(self.size, floats, self.channels):
            dy_chunk = self.split_groups(dy[chunk.images, chunk.rows])
            if grad_weight is not None:
                grad_weight += torch.bmm(
                    dy_chunk.transpose(1, 2), self.convolve(chunk))
            if grad_alpha is not None:
                dz = torch.bmm(dy_chunk, weight)
                self._decompose(
                    dz, chunk, grad_alpha[chunk.images, :, :, chunk.rows])
        if grad_weight is not None:
            grad_weight = grad_weight.unflatten(
                2, (self.atoms, -1)).transpose(2, 3)
        return grad_alpha, grad_weight

    def _decompose(self, dz: Tensor, chunk: Chunk, grad: Tensor) -> None:
        """Write the coefficients' gradient of a chunk."""
        size = (*chunk.shape, self.size[1])
        parts = self.launch.correlate(
            self.x[chunk.images], dz, self.atoms,
            to_device(self.taps, dz.device), size, chunk.rows.start,
            self.geometry.stride).permute(0, 3, 1, 2, 4, 5)
        if self.direct:
            grad.copy_(parts.sum(0))
        else:
            self.launch.mix(parts, self._psi(parts, transposed=True), grad)

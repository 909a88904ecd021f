"""The PyTorch-only backend: atom-first, over chunks of output rows.

Never holds an unfold of the whole input. Composed atoms apply to the patches
by batched products, and the coefficient convolution follows while the atom
convolution's result of the chunk, a few MB, is in cache. Backward recomputes
all of it from the input.
"""
from typing import Iterator, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import ConvGeometry
from .patches import Chunk, crop, find_live_taps, make_patches

CPU_WORKSPACE_BYTES = 4 * 2**20
GPU_WORKSPACE_BYTES = 256 * 2**20
# Matrix products over pixels run as pointwise convolutions of images of this
# width: oneDNN's are up to twice as fast as MKL's products (on AMD CPUs), and
# PyTorch takes oneDNN's for a batch of 16 images or more.
IMAGE_WIDTH = 16


def can_run(x: Tensor, *_) -> Optional[str]:
    """Reason why this backend cannot serve ``x``, or None."""
    return None


class _Plan:
    """Everything about one call that forward and backward share."""

    def __init__(self,
                 x: Tensor,
                 alpha: Tensor,
                 atom_bases: Optional[Tensor],
                 weight: Tensor,
                 geometry: ConvGeometry,
                 needs: Sequence[bool] = (False, ) * 4):
        self.groups = geometry.groups
        self.batch, self.atoms, count, self.height, self.width = alpha.shape
        self.channels, self.out_channels = x.shape[1], weight.shape[0]
        self.kernel = round(
            count**0.5) if atom_bases is None else atom_bases.shape[-1]
        live = find_live_taps(None if needs[2] else atom_bases, self.kernel)
        self.patches = make_patches(x, self.kernel, live, geometry)
        self.taps = torch.tensor(self.patches.taps, device=x.device)
        self.bases = None
        if atom_bases is not None:
            self.bases = atom_bases.detach().flatten(1).to(
                alpha.dtype)[:, self.taps]
        self.alpha = alpha.permute(0, 3, 4, 1, 2)
        # (G, C_out/G, C/G, m) -> (C_out, m * C/G): atom-major, as Z is.
        self.weight = weight.reshape(self.groups, -1,
                                     self.channels // self.groups,
                                     self.atoms).transpose(2, 3).reshape(
                                         self.out_channels, -1)
        floats = self.atoms * (self.channels + len(self.taps))
        floats += self.patches.floats_per_pixel
        if any(needs):
            floats += self.channels * self.atoms
        images, rows = self._chunk_shape(floats * x.element_size())
        self.chunks = [
            Chunk(
                slice(b, min(b + images, self.batch)),
                slice(i, min(i + rows, self.height)), self.width)
            for b in range(0, self.batch, images)
            for i in range(0, self.height, rows)
        ]
        most = images * rows * self.width
        self._coefficients = alpha.new_empty((most * self.atoms, count))
        self._atoms = alpha.new_empty((most * self.atoms, len(self.taps)))
        self._z = x.new_empty((most, self.atoms, self.channels))

    def _chunk_shape(self, bytes_per_pixel: int) -> Tuple[int, int]:
        """Images and output rows per chunk."""
        budget = CPU_WORKSPACE_BYTES if self.alpha.device.type == 'cpu' \
            else GPU_WORKSPACE_BYTES
        pixels = max(1, budget // max(1, bytes_per_pixel))
        if pixels >= self.height * self.width:
            images = pixels // (self.height * self.width)
            return max(1, min(images, self.batch)), self.height
        return 1, max(1, pixels // self.width)

    def coefficients(self, chunk: Chunk) -> Tensor:
        """alpha of the chunk's pixels: (pixels * m, J)."""
        alpha = self.alpha[chunk.images, chunk.rows]
        target = self._coefficients[:chunk.pixels * self.atoms]
        target.view(alpha.shape).copy_(alpha)
        return target

    def compose(self, coefficients: Tensor) -> Tensor:
        """Atoms of the chunk's pixels: (pixels, m, taps)."""
        atoms = self._atoms[:coefficients.shape[0]]
        if self.bases is None:
            torch.index_select(coefficients, 1, self.taps, out=atoms)
        else:
            torch.mm(coefficients, self.bases, out=atoms)
        return atoms.view(-1, self.atoms, len(self.taps))

    def convolve(self, chunk: Chunk, atoms: Tensor) -> Tensor:
        """Z of the chunk's pixels: (pixels, m, C)."""
        z = self._z[:chunk.pixels]
        for pixels, patches in self.patches.blocks(chunk):
            torch.bmm(atoms[pixels], patches, out=z[pixels])
        return z

    def split_groups(self, z: Tensor) -> Tensor:
        """(pixels, n, C) -> (pixels, G * n * C/G)."""
        if self.groups == 1:
            return z.flatten(1)
        split = z.view(z.shape[0], z.shape[1], self.groups, -1)
        return split.transpose(1, 2).reshape(z.shape[0], -1)

    def join_groups(self, z: Tensor) -> Tensor:
        """(pixels, G * m * C/G) -> (pixels, m, C)."""
        split = z.view(z.shape[0], self.groups, self.atoms, -1)
        return split.transpose(1, 2).reshape(
            z.shape[0], self.atoms, self.channels)


def _pointwise(rows: Tensor, weight: Tensor, groups: int) -> Tensor:
    """rows (pixels, G * n) by weight (G * o, n), group by group."""
    pixels, channels = rows.shape
    width = IMAGE_WIDTH if pixels % IMAGE_WIDTH == 0 else 1
    if groups == 1 and (width == 1 or rows.device.type != 'cpu'):
        return torch.mm(rows, weight.t())
    images = rows.view(-1, 1, width, channels).permute(0, 3, 1, 2)
    output = F.conv2d(images, weight[:, :, None, None], groups=groups)
    return output.permute(0, 2, 3, 1).reshape(pixels, -1)


def forward(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Tensor:
    """Output Y (B, C_out, Ho, Wo) without bias, in channels-last memory."""
    plan = _Plan(x, alpha, atom_bases, weight, geometry)
    # Not a view of anything: activations may follow in place.
    output = torch.empty(
        (plan.batch, plan.out_channels, plan.height, plan.width),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last)
    pixels = output.permute(0, 2, 3, 1)
    for chunk in plan.chunks:
        atoms = plan.compose(plan.coefficients(chunk))
        z = plan.split_groups(plan.convolve(chunk, atoms))
        y = _pointwise(z, plan.weight, plan.groups)
        pixels[chunk.images, chunk.rows] = y.view(*chunk.shape, -1)
    return output


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    plan = _Plan(x, alpha, atom_bases, weight, geometry, needs)
    need_x, need_alpha, need_bases, need_weight = needs
    groups, padded = plan.groups, plan.patches.padded
    grad_x = torch.zeros_like(padded) if need_x else None
    grad_alpha = torch.empty_like(
        plan.alpha, memory_format=torch.contiguous_format) \
        if need_alpha else None
    grad_bases = torch.zeros_like(plan.bases) if need_bases else None
    grad_weight = torch.zeros_like(plan.weight).view(
        groups, -1, plan.weight.shape[1]) if need_weight else None
    grad_y = grad_output.permute(0, 2, 3, 1)
    # (G * m * C/G, C_out/G): from Y's groups back to Z's.
    transposed = plan.weight.view(groups, -1, plan.weight.shape[1]).transpose(
        1, 2).reshape(plan.weight.shape[1] * groups, -1)
    for chunk in plan.chunks:
        dy = grad_y[chunk.images, chunk.rows].reshape(chunk.pixels, -1)
        coefficients = plan.coefficients(chunk)
        atoms = plan.compose(coefficients)
        if need_weight:
            z = plan.split_groups(plan.convolve(chunk, atoms))
            grad_weight.baddbmm_(
                dy.view(chunk.pixels, groups, -1).permute(1, 2, 0),
                z.view(chunk.pixels, groups, -1).transpose(0, 1))
        if not any(needs[:3]):
            continue
        dz = plan.join_groups(_pointwise(dy, transposed, groups))
        if need_x:
            plan.patches.scatter(grad_x, chunk, atoms, dz)
        if need_alpha or need_bases:
            datoms = atoms  # which nothing reads any more
            for pixels, patches in plan.patches.blocks(chunk):
                torch.bmm(
                    dz[pixels], patches.transpose(1, 2), out=datoms[pixels])
            datoms = datoms.flatten(0, 1)
            if need_bases:
                grad_bases.addmm_(coefficients.t(), datoms)
            if need_alpha:
                _decompose(plan, datoms, grad_alpha[chunk.images, chunk.rows])
    return (crop(grad_x, geometry) if need_x else None,
            grad_alpha.permute(0, 3, 4, 1, 2) if need_alpha else None,
            _spread(plan, grad_bases, atom_bases) if need_bases else None,
            _unsplit(plan, grad_weight, weight) if need_weight else None)


def _decompose(plan: _Plan, datoms: Tensor, target: Tensor) -> None:
    """Gradient of the coefficients from that of the atoms."""
    if plan.bases is None:
        dalpha = torch.empty_like(datoms)
        dalpha[:, plan.taps] = datoms
    else:
        dalpha = torch.mm(datoms, plan.bases.t())
    target.copy_(dalpha.view(target.shape))


def _spread(plan: _Plan, grad: Tensor, atom_bases: Tensor) -> Tensor:
    # All taps are live when the bases need a gradient.
    full = torch.empty_like(grad)
    full[:, plan.taps] = grad
    return full.view(atom_bases.shape).to(atom_bases.dtype)


def _unsplit(plan: _Plan, grad: Tensor, weight: Tensor) -> Tensor:
    grad = grad.reshape(plan.out_channels, plan.atoms,
                        plan.channels // plan.groups)
    return grad.transpose(1, 2).reshape(weight.shape)

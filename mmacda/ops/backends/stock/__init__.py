"""The PyTorch-only backend: atom-first, over chunks of output rows.

Never holds an unfold of the whole input. Composed atoms apply to the patches,
and the coefficient convolution follows while the atom convolution's result of
the chunk, a few MB, is in cache. Backward recomputes all of it from the input.
"""
from typing import List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import ConvGeometry
from ...memory_format import spread_planes
from ...tracing import find_obstacle
from ..bases import describe
from ..chunks import Chunk, split_pixels
from .bags import BaggedPatches
from .patches import GatheredPatches, crop

CPU_WORKSPACE_BYTES = 12 * 2**20
MOST_PIXELS = 2**31 - 1
GPU_WORKSPACE_BYTES = 256 * 2**20
# Matrix products over pixels run as pointwise convolutions of images of this
# width: oneDNN's are up to twice as fast as MKL's products (on AMD CPUs), and
# PyTorch takes oneDNN's for a batch of 16 images or more.
IMAGE_WIDTH = 16


def can_run(x: Tensor, alpha: Tensor, atom_bases: Optional[Tensor],
            weight: Tensor, geometry: ConvGeometry) -> Optional[str]:
    """Reason why this backend cannot serve the call, or None."""
    pad_h, pad_w = geometry.padding
    pixels = len(x) * (x.shape[2] + 2 * pad_h) * (x.shape[3] + 2 * pad_w)
    if x.device.type == 'cpu' and pixels > MOST_PIXELS:
        return (f'the padded input has {pixels} pixels, but those of '
                'bags.py are 32-bit numbers')
    return find_obstacle(x, alpha, atom_bases, weight)


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
        kernel = round(
            count**0.5) if atom_bases is None else atom_bases.shape[-1]
        known = describe(atom_bases, count)
        # The bases' gradient is one at all taps.
        live = list(range(kernel * kernel)) if needs[2] else known.live
        self.patches = _make_patches(x, kernel, live,
                                     (self.height, self.width), geometry)
        self.alpha = alpha
        self.bases, self.grad_bases = (
            None if atom_bases is None else known.at(taps, alpha, alpha.dtype)
            for taps in (self.patches.taps, self.patches.grad_taps))
        # (G, C_out/G, C/G, m) -> (C_out, m * C/G): atom-major, as Z is.
        self.weight = weight.reshape(self.groups, -1,
                                     self.channels // self.groups,
                                     self.atoms).transpose(2, 3).reshape(
                                         self.out_channels, -1)
        floats = self.atoms * (self.channels + len(self.patches.taps))
        floats += self.patches.floats_per_pixel(self.atoms, any(needs))
        if any(needs):
            floats += self.atoms * (
                self.channels + len(self.patches.grad_taps))
        self.chunks = split_pixels(self.batch, self.height, self.width,
                                   self._budget() //
                                   max(1, floats * x.element_size()))

    def _budget(self) -> int:
        """Bytes that a chunk may take."""
        if self.alpha.device.type != 'cpu':
            return GPU_WORKSPACE_BYTES
        # Small beside what an unfold would take, but few chunks where that is
        # little.
        unfold = self.batch * self.height * self.width * self.channels
        unfold *= self.patches.kernel**2 * self.alpha.element_size()
        return min(CPU_WORKSPACE_BYTES, max(CPU_WORKSPACE_BYTES // 4,
                                            unfold // 8))

    def coefficients(self, chunk: Chunk) -> Tensor:
        """alpha of the chunk's pixels: (pixels * m, J)."""
        alpha = self.alpha[chunk.images, :, :, chunk.rows]
        planes = spread_planes(alpha.flatten(1, 2))
        return planes.permute(0, 2, 3, 1).reshape(-1, alpha.shape[2])

    def compose(self, chunk: Chunk) -> Tensor:
        """Atoms of the chunk's pixels: (pixels, m, taps)."""
        if self.bases is None:  # all taps are live
            atoms = self.coefficients(chunk)
            if not _is_in_order(self.patches.taps):
                atoms = atoms[:, self.patches.taps]
        else:
            atoms = torch.mm(self.coefficients(chunk), self.bases)
        return atoms.view(-1, self.atoms, atoms.shape[-1])

    def decompose(self, datoms: Tensor, chunk: Chunk, grad: Tensor) -> None:
        """Write the chunk's part of ``grad``, the coefficients' gradient."""
        if self.grad_bases is None:
            dalpha = datoms
            if not _is_in_order(self.patches.grad_taps):
                dalpha = torch.empty_like(datoms)
                dalpha[..., self.patches.grad_taps] = datoms
        else:
            dalpha = datoms.flatten(0, 1).mm(self.grad_bases.t())
        target = grad[chunk.images, :, :, chunk.rows].permute(0, 3, 4, 1, 2)
        target.copy_(dalpha.view(target.shape))

    def grad_output(self, grad_output: Tensor, chunk: Chunk) -> Tensor:
        """Gradient of Y at the chunk's pixels, filled up: (pixels, C_out)."""
        dy = spread_planes(grad_output[chunk.images, :, chunk.rows])
        dy = dy.permute(0, 2, 3, 1).reshape(-1, self.out_channels)
        return F.pad(dy, (0, 0, 0, _fill_up(len(dy)) - len(dy)))

    def split_groups(self, z: Tensor) -> Tensor:
        """(pixels, n, C) -> (pixels, G * n * C/G)."""
        if self.groups == 1:
            return z.flatten(1)
        split = z.view(z.shape[0], z.shape[1], self.groups, -1)
        return split.transpose(1, 2).reshape(z.shape[0], -1)

    def join_groups(self, z: Tensor) -> Tensor:
        """(pixels, G * m * C/G) -> (pixels, m, C)."""
        split = z.view(z.shape[0], self.groups, self.atoms, -1)
        return split.transpose(1, 2).reshape(z.shape[0], self.atoms, -1)


def _make_patches(x: Tensor, kernel: int, live: List[int],
                  size: Tuple[int, int],
                  geometry: ConvGeometry) -> GatheredPatches:
    if x.device.type == 'cpu':
        return BaggedPatches(x, kernel, live, size, geometry, IMAGE_WIDTH)
    return GatheredPatches(x, kernel, live, size, geometry)


def _is_in_order(taps: Sequence[int]) -> bool:
    """Whether nothing is to be picked: an index would wait for a GPU."""
    return list(taps) == list(range(len(taps)))


def _fill_up(pixels: int) -> int:
    return -(-pixels // IMAGE_WIDTH) * IMAGE_WIDTH


def _pointwise(rows: Tensor, weight: Tensor, groups: int) -> Tensor:
    """rows (pixels, G * n) by weight (G * o, n), group by group."""
    pixels, channels = rows.shape
    if rows.device.type != 'cpu':
        if groups == 1:
            return torch.mm(rows, weight.t())
        output = torch.einsum('pgn,gon->pgo', rows.view(pixels, groups, -1),
                              weight.view(groups, -1, weight.shape[1]))
        return output.flatten(1)
    images = rows.view(-1, 1, IMAGE_WIDTH, channels).permute(0, 3, 1, 2)
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
        atoms = plan.compose(chunk)
        z = plan.patches.convolve(chunk, atoms)
        y = _pointwise(plan.split_groups(z), plan.weight, plan.groups)
        target = pixels[chunk.images, chunk.rows]
        target.copy_(y[:len(atoms)].view(target.shape))
    return output


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    plan = _Plan(x, alpha, atom_bases, weight, geometry, needs)
    need_x, need_alpha, need_bases, need_weight = needs
    groups, patches = plan.groups, plan.patches
    depth = plan.weight.shape[1]
    grad_x = torch.zeros_like(patches.padded) if need_x else None
    grad_alpha = torch.empty_like(alpha) if need_alpha else None
    grad_bases = torch.zeros_like(plan.grad_bases) \
        if need_bases and plan.grad_bases is not None else None
    grad_weight = torch.zeros_like(plan.weight).view(groups, -1, depth) \
        if need_weight else None
    # (G * m * C/G, C_out/G): from Y's groups back to Z's.
    transposed = plan.weight.view(groups, -1, depth).transpose(1, 2).reshape(
        depth * groups, -1)
    for chunk in plan.chunks:
        dy = plan.grad_output(grad_output, chunk)
        atoms = plan.compose(chunk)
        if grad_weight is not None:
            z = plan.split_groups(patches.convolve(chunk, atoms))
            grad_weight.baddbmm_(
                dy[:len(z)].view(len(z), groups, -1).permute(1, 2, 0),
                z.view(len(z), groups, -1).transpose(0, 1))
            del z
        if not any(needs[:3]):
            continue
        # Of few terms each: PyTorch's own products are the quicker.
        dz = torch.mm(dy, transposed.t()) if groups == 1 else _pointwise(
            dy, transposed, groups)
        dz = plan.join_groups(dz)[:len(atoms)]
        if grad_x is not None:
            patches.scatter(grad_x, chunk, patches.turn(chunk, atoms), dz)
        if not (need_alpha or need_bases):
            continue
        datoms = patches.correlate(chunk, dz)
        if grad_bases is not None:
            # Not addmm_: with one basis cuBLASLt refuses it.
            grad_bases += torch.mm(
                plan.coefficients(chunk).t(), datoms.flatten(0, 1))
        if grad_alpha is not None:
            plan.decompose(datoms, chunk, grad_alpha)
    return (None if grad_x is None else crop(grad_x, geometry), grad_alpha,
            None if grad_bases is None or atom_bases is None else _spread(
                plan, grad_bases, atom_bases),
            None if grad_weight is None else _unsplit(plan, grad_weight,
                                                      weight))


def _spread(plan: _Plan, grad: Tensor, atom_bases: Tensor) -> Tensor:
    full = torch.empty_like(grad)
    full[:, plan.patches.grad_taps] = grad
    return full.view(atom_bases.shape).to(atom_bases.dtype)


def _unsplit(plan: _Plan, grad: Tensor, weight: Tensor) -> Tensor:
    grad = grad.reshape(plan.out_channels, plan.atoms,
                        plan.channels // plan.groups)
    return grad.transpose(1, 2).reshape(weight.shape)

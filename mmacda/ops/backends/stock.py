"""The PyTorch-only backend: atom-first, over chunks of output rows.

Never holds an unfold of the whole input. Composed atoms apply to the patches
by batched products, and the coefficient convolution follows while the atom
convolution's result of the chunk, a few MB, is in cache. Backward recomputes
all of it from the input.
"""
from typing import Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import ConvGeometry
from .patches import Chunk, crop, find_live_taps, make_patches, split_pixels

CPU_WORKSPACE_BYTES = 8 * 2**20
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
        self.patches = make_patches(x, self.kernel, live, self.width, geometry)
        self.row = self.patches.pixels_per_row
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
            floats += 2 * self.channels * (self.atoms + self.kernel)
        self.chunks = split_pixels(self.batch, self.height, self.row,
                                   self._budget() //
                                   max(1, floats * x.element_size()))
        # Zero where there are junk pixels, and where images get filled up.
        most = self.pixels(self.chunks[0]) if self.chunks else 0
        self._coefficients = alpha.new_zeros((most, self.atoms, count))
        self._atoms = alpha.new_empty((most * self.atoms, len(self.taps)))
        self._z = x.new_zeros(
            (_fill_up(most), self.atoms, self.channels))
        self._dy = x.new_zeros(
            (_fill_up(most) if any(needs) else 0, self.out_channels))

    def _budget(self) -> int:
        """Bytes that a chunk may take."""
        budget = CPU_WORKSPACE_BYTES if self.alpha.device.type == 'cpu' \
            else GPU_WORKSPACE_BYTES
        # Stays small beside what an unfold would take.
        unfold = self.batch * self.height * self.width * self.channels
        return min(budget,
                   unfold * self.kernel**2 * self.alpha.element_size() // 8)

    def pixels(self, chunk: Chunk) -> int:
        """Pixels of a chunk, junk included."""
        images, rows = chunk.shape
        return images * rows * self.row

    def in_image(self, block: Tensor, chunk: Chunk) -> Tensor:
        """(pixels, ...) as (images, rows, width, ...), without the junk."""
        block = block[:self.pixels(chunk)]
        return block.view(*chunk.shape, self.row,
                          *block.shape[1:])[:, :, :self.width]

    def coefficients(self, chunk: Chunk) -> Tensor:
        """alpha of the chunk's pixels: (pixels * m, J)."""
        alpha = self.alpha[chunk.images, chunk.rows]
        self.in_image(self._coefficients, chunk).copy_(alpha)
        return self._coefficients[:self.pixels(chunk)].flatten(0, 1)

    def compose(self, coefficients: Tensor) -> Tensor:
        """Atoms of the chunk's pixels: (pixels, m, taps)."""
        atoms = self._atoms[:coefficients.shape[0]]
        if self.bases is None:
            torch.index_select(coefficients, 1, self.taps, out=atoms)
        else:
            torch.mm(coefficients, self.bases, out=atoms)
        return atoms.view(-1, self.atoms, len(self.taps))

    def convolve(self, atoms: Tensor, patches: Tensor) -> Tensor:
        """Z of the chunk's pixels, filled up: (pixels, m, C)."""
        torch.bmm(atoms, patches, out=self._z[:len(atoms)])
        return self._z[:_fill_up(len(atoms))]

    def grad_output(self, grad_output: Tensor, chunk: Chunk) -> Tensor:
        """Gradient of Y at the chunk's pixels, filled up: (pixels, C_out)."""
        dy = grad_output[chunk.images, :, chunk.rows].permute(0, 2, 3, 1)
        self.in_image(self._dy, chunk).copy_(dy)
        self._dy[self.pixels(chunk):].zero_()
        return self._dy[:_fill_up(self.pixels(chunk))]

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


def _fill_up(pixels: int) -> int:
    return -(-pixels // IMAGE_WIDTH) * IMAGE_WIDTH


def _pointwise(rows: Tensor, weight: Tensor, groups: int) -> Tensor:
    """rows (pixels, G * n) by weight (G * o, n), group by group."""
    pixels, channels = rows.shape
    if groups == 1 and rows.device.type != 'cpu':
        return torch.mm(rows, weight.t())
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
        atoms = plan.compose(plan.coefficients(chunk))
        z = plan.convolve(atoms, plan.patches.read(chunk))
        y = _pointwise(plan.split_groups(z), plan.weight, plan.groups)
        pixels[chunk.images, chunk.rows] = plan.in_image(y, chunk)
    return output


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    plan = _Plan(x, alpha, atom_bases, weight, geometry, needs)
    need_x, need_alpha, need_bases, need_weight = needs
    groups, depth = plan.groups, plan.weight.shape[1]
    grad_x = torch.zeros_like(plan.patches.padded) if need_x else None
    grad_alpha = torch.empty_like(
        plan.alpha, memory_format=torch.contiguous_format) \
        if need_alpha else None
    grad_bases = torch.zeros_like(plan.bases) \
        if need_bases and plan.bases is not None else None
    grad_weight = torch.zeros_like(plan.weight).view(groups, -1, depth) \
        if need_weight else None
    # (G * m * C/G, C_out/G): from Y's groups back to Z's.
    transposed = plan.weight.view(groups, -1, depth).transpose(1, 2).reshape(
        depth * groups, -1)
    for chunk in plan.chunks:
        dy = plan.grad_output(grad_output, chunk)
        coefficients = plan.coefficients(chunk)
        atoms = plan.compose(coefficients)
        patches = plan.patches.read(chunk) if any(needs[1:]) else None
        if grad_weight is not None and patches is not None:
            z = plan.split_groups(plan.convolve(atoms, patches))
            grad_weight.baddbmm_(
                dy.view(len(dy), groups, -1).permute(1, 2, 0),
                z.view(len(z), groups, -1).transpose(0, 1))
        if not any(needs[:3]):
            continue
        dz = plan.join_groups(_pointwise(dy, transposed, groups))[:len(atoms)]
        if grad_x is not None:
            plan.patches.scatter(grad_x, chunk, atoms, dz)
        if (need_alpha or need_bases) and patches is not None:
            datoms = atoms  # which nothing reads any more
            torch.bmm(dz, patches.transpose(1, 2), out=datoms)
            datoms = datoms.flatten(0, 1)
            if grad_bases is not None:
                grad_bases.addmm_(coefficients.t(), datoms)
            if grad_alpha is not None:
                dalpha = _decompose(plan, datoms)
                grad_alpha[chunk.images, chunk.rows] = plan.in_image(
                    dalpha, chunk)
    return (None if grad_x is None else crop(grad_x, geometry),
            None if grad_alpha is None else grad_alpha.permute(0, 3, 4, 1, 2),
            None if grad_bases is None or atom_bases is None else _spread(
                plan, grad_bases, atom_bases),
            None if grad_weight is None else _unsplit(plan, grad_weight,
                                                      weight))


def _decompose(plan: _Plan, datoms: Tensor) -> Tensor:
    """Gradient of the coefficients, (pixels, m, J), from the atoms'."""
    if plan.bases is None:
        dalpha = torch.empty_like(datoms)
        dalpha[:, plan.taps] = datoms
    else:
        dalpha = torch.mm(datoms, plan.bases.t())
    return dalpha.view(-1, plan.atoms, dalpha.shape[1])


def _spread(plan: _Plan, grad: Tensor, atom_bases: Tensor) -> Tensor:
    # All taps are live when the bases need a gradient.
    full = torch.empty_like(grad)
    full[:, plan.taps] = grad
    return full.view(atom_bases.shape).to(atom_bases.dtype)


def _unsplit(plan: _Plan, grad: Tensor, weight: Tensor) -> Tensor:
    grad = grad.reshape(plan.out_channels, plan.atoms,
                        plan.channels // plan.groups)
    return grad.transpose(1, 2).reshape(weight.shape)

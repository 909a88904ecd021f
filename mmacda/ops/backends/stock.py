"""The PyTorch-only backend: atom-first, over chunks of output rows.

Never holds an unfold of the whole input: each chunk gathers the live taps of
its pixels from a zero-padded channels-last copy of the input into a workspace
of a few MB, applies composed atoms by one batched product, and the composition
coefficients by one GEMM. Backward recomputes all of it from the input.
"""
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..geometry import ConvGeometry

CPU_WORKSPACE_BYTES = 4 * 2**20
GPU_WORKSPACE_BYTES = 256 * 2**20


def can_run(x: Tensor, *_) -> Optional[str]:
    """Reason why this backend cannot serve ``x``, or None."""
    return None


class TapRun(NamedTuple):
    """Live taps that are neighbours in one kernel row."""
    row: int
    column: int
    length: int
    start: int  # position of the first one in the list of live taps


def find_live_taps(atom_bases: Optional[Tensor],
                   kernel: int) -> Tuple[List[int], List[TapRun]]:
    """Flat indices of the taps that some basis uses, and their runs.

    Fourier-Bessel bases vanish outside a disc: 37 of 49 taps are live at
    7 x 7. Skipping the others is exact.
    """
    if atom_bases is None or atom_bases.requires_grad:
        live = list(range(kernel * kernel))
    else:
        used = (atom_bases.flatten(1) != 0).any(0)
        live = used.nonzero().flatten().tolist() or [0]  # at least one
    runs: List[TapRun] = []
    for start, tap in enumerate(live):
        row, column = divmod(tap, kernel)
        last = runs[-1] if runs else None
        if last and last.row == row and last.column + last.length == column:
            runs[-1] = last._replace(length=last.length + 1)
        else:
            runs.append(TapRun(row, column, 1, start))
    return live, runs


class _Plan:
    """Everything about one call that forward and backward share."""

    def __init__(self, x: Tensor, alpha: Tensor,
                 atom_bases: Optional[Tensor], weight: Tensor,
                 geometry: ConvGeometry):
        self.geometry = geometry
        self.batch, self.atoms, taps, self.height, self.width = alpha.shape
        kernel = (
            atom_bases.shape[-1]
            if atom_bases is not None else round(taps**0.5))
        self.live, self.runs = find_live_taps(atom_bases, kernel)
        self.kernel = kernel
        self.channels = x.shape[1]
        self.out_channels = weight.shape[0]
        self.bases = None
        if atom_bases is not None:
            self.bases = atom_bases.flatten(1).to(alpha.dtype)[:, self.live]
        self.alpha = alpha.permute(0, 3, 4, 1, 2)
        self.x = self._pad(x)
        groups, group_width = geometry.groups, x.shape[1] // geometry.groups
        # (G, C_out/G, C/G, m) -> (G, C_out/G, m * C/G): atom-major, as Z is.
        self.weight = weight.reshape(groups, -1, group_width,
                                     self.atoms).transpose(2, 3).flatten(2)
        num_pixels = self.chunk_pixels()
        self.patches = x.new_empty(
            (num_pixels, len(self.live), self.channels))

    def _pad(self, x: Tensor) -> Tensor:
        pad_h, pad_w = self.geometry.padding
        batch, channels, height, width = x.shape
        padded = x.new_zeros(
            (batch, height + 2 * pad_h, width + 2 * pad_w, channels))
        inner = padded[:, pad_h:pad_h + height, pad_w:pad_w + width]
        inner.copy_(x.permute(0, 2, 3, 1))
        return padded

    def chunk_shape(self) -> Tuple[int, int]:
        """Images and output rows per chunk."""
        budget = (
            CPU_WORKSPACE_BYTES
            if self.x.device.type == 'cpu' else GPU_WORKSPACE_BYTES)
        floats = max(1, self.channels * (len(self.live) + self.atoms))
        pixels = max(1, budget // (floats * self.x.element_size()))
        if pixels >= self.height * self.width:
            images = pixels // (self.height * self.width)
            return max(1, min(images, self.batch)), self.height
        return 1, max(1, pixels // self.width)

    def chunk_pixels(self) -> int:
        images, rows = self.chunk_shape()
        return images * rows * self.width

    def chunks(self) -> Iterator[Tuple[slice, slice]]:
        images, rows = self.chunk_shape()
        for b in range(0, self.batch, images):
            for i in range(0, self.height, rows):
                yield (slice(b, min(b + images, self.batch)),
                       slice(i, min(i + rows, self.height)))

    def tap_view(self, padded: Tensor, chunk, row: int, column: int,
                 length: int) -> Tensor:
        """Inputs under neighbouring taps: (images, rows, width, length, C)."""
        images, rows = chunk
        (stride_h, stride_w), (dil_h, dil_w) = (self.geometry.stride,
                                                self.geometry.dilation)
        step_b, step_h, step_w, _ = padded.stride()
        offset = (
            images.start * step_b +
            (rows.start * stride_h + row * dil_h) * step_h +
            column * dil_w * step_w)
        return padded.as_strided(
            (images.stop - images.start, rows.stop - rows.start, self.width,
             length, self.channels),
            (step_b, stride_h * step_h, stride_w * step_w, dil_w * step_w, 1),
            padded.storage_offset() + offset)

    def gather(self, chunk) -> Tensor:
        """Patches of the chunk's pixels: (pixels, live taps, C)."""
        images, rows = chunk
        shape = (images.stop - images.start, rows.stop - rows.start,
                 self.width)
        pixels = shape[0] * shape[1] * shape[2]
        patches = self.patches[:pixels]
        target = patches.view(*shape, len(self.live), self.channels)
        for run in self.runs:
            target[..., run.start:run.start + run.length, :].copy_(
                self.tap_view(self.x, chunk, run.row, run.column, run.length))
        return patches

    def coefficients(self, chunk) -> Tensor:
        """alpha of the chunk's pixels: (pixels * m, J)."""
        alpha = self.alpha[chunk]
        return alpha.reshape(-1, alpha.shape[-1])

    def compose(self, coefficients: Tensor) -> Tensor:
        """Atoms of the chunk's pixels on live taps: (pixels, m, taps)."""
        atoms = (
            coefficients
            if self.bases is None else torch.mm(coefficients, self.bases))
        return atoms.view(-1, self.atoms, len(self.live))

    def split_groups(self, z: Tensor) -> Tensor:
        """(pixels, n, C) -> (G, pixels, n * C/G)."""
        groups = self.geometry.groups
        split = z.view(z.shape[0], z.shape[1], groups, -1)
        return split.permute(2, 0, 1, 3).flatten(2)


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
    composition = plan.weight.transpose(1, 2)
    for chunk in plan.chunks():
        atoms = plan.compose(plan.coefficients(chunk))
        z = torch.bmm(atoms, plan.gather(chunk))
        y = torch.bmm(plan.split_groups(z), composition)
        target = pixels[chunk]
        target.copy_(y.transpose(0, 1).reshape(target.shape))
    return output


def backward(grad_output: Tensor, x: Tensor, alpha: Tensor,
             atom_bases: Optional[Tensor], weight: Tensor,
             geometry: ConvGeometry,
             needs: Sequence[bool]) -> Tuple[Optional[Tensor], ...]:
    """Gradients of input, coefficients, bases and weight, where needed."""
    plan = _Plan(x, alpha, atom_bases, weight, geometry)
    need_x, need_alpha, need_bases, need_weight = needs
    grad_x = torch.zeros_like(plan.x) if need_x else None
    grad_alpha = torch.empty_like(
        plan.alpha, memory_format=torch.contiguous_format) \
        if need_alpha else None
    grad_bases = torch.zeros_like(plan.bases) if need_bases else None
    grad_weight = torch.zeros_like(plan.weight) if need_weight else None
    grad_y = grad_output.permute(0, 2, 3, 1)
    for chunk in plan.chunks():
        dy = plan.split_groups(grad_y[chunk].reshape(-1, 1,
                                                     plan.out_channels))
        coefficients = plan.coefficients(chunk)
        atoms = plan.compose(coefficients)
        patches = plan.gather(chunk) if any(needs[1:]) else None
        if need_weight:
            z = plan.split_groups(torch.bmm(atoms, patches))
            grad_weight += torch.bmm(dy.transpose(1, 2), z)
        if not any(needs[:3]):
            continue
        dz = torch.bmm(dy, plan.weight)
        dz = dz.view(*dz.shape[:2], plan.atoms, -1).permute(1, 2, 0, 3)
        dz = dz.reshape(-1, plan.atoms, plan.channels)
        if need_alpha or need_bases:
            datoms = torch.bmm(dz, patches.transpose(1, 2)).flatten(0, 1)
            if need_bases:
                grad_bases += torch.mm(coefficients.t(), datoms)
            if need_alpha:
                target = grad_alpha[chunk]
                dalpha = (
                    datoms if plan.bases is None else torch.mm(
                        datoms, plan.bases.t()))
                target.copy_(dalpha.view(target.shape))
        if need_x:
            _scatter(plan, grad_x, chunk,
                     torch.bmm(atoms.transpose(1, 2), dz))
    return (_crop(grad_x, x, geometry) if need_x else None,
            grad_alpha.permute(0, 3, 4, 1, 2) if need_alpha else None,
            _expand_bases(grad_bases, atom_bases) if need_bases else None,
            _unsplit(grad_weight, weight, plan) if need_weight else None)


def _scatter(plan: _Plan, grad_x: Tensor, chunk, dpatches: Tensor) -> None:
    # Tap by tap: within one tap no two pixels share an input, so plain
    # additions are enough and their order is fixed.
    for run in plan.runs:
        for n in range(run.length):
            view = plan.tap_view(grad_x, chunk, run.row, run.column + n, 1)
            view.add_(dpatches[:, run.start + n].view(view.shape))


def _crop(grad_x: Tensor, x: Tensor, geometry: ConvGeometry) -> Tensor:
    pad_h, pad_w = geometry.padding
    height, width = x.shape[2:]
    cropped = grad_x[:, pad_h:pad_h + height, pad_w:pad_w + width]
    return cropped.permute(0, 3, 1, 2)


def _expand_bases(grad: Tensor, atom_bases: Tensor) -> Tensor:
    # All taps are live when the bases need a gradient.
    return grad.view_as(atom_bases).to(atom_bases.dtype)


def _unsplit(grad: Tensor, weight: Tensor, plan: _Plan) -> Tensor:
    groups = plan.geometry.groups
    grad = grad.view(groups, -1, plan.atoms, plan.channels // groups)
    return grad.transpose(2, 3).reshape(weight.shape)

"""Launch of the kernel of the atoms' gradient. Needs Triton."""
from torch import Tensor

from . import correlate_kernel
from .launch import (SUMS, VECTOR_BYTES, Size, ceil, divide_atoms,
                     power_of_two, shape_pixels)

WARPS = 4
# Threads that share a pixel: they read 64 bytes of it at once.
THREADS_PER_PIXEL = 4


def correlate(source: Tensor, grad_features: Tensor, grads: Tensor,
              taps: Tensor, size: Size, first_row: int, step: tuple) -> None:
    """Write the gradient of the atoms of a chunk.

    Args:
        source (Tensor): Maps (images, height, width, channels), last stride 1.
        grad_features (Tensor): (groups, pixels, m * channels / groups),
            contiguous.
        grads (Tensor): (images, m, taps, rows, columns), any strides.
        taps (Tensor): (3, number) int32, see ``kernels.py``.
        size (tuple): Target's images, rows (from ``first_row`` on), columns.
        step (tuple): Source's rows and columns from one target to the next.
    """
    channels, num_atoms = source.shape[3], grads.shape[1]
    atoms = divide_atoms(num_atoms)
    vector = VECTOR_BYTES // source.element_size()
    if channels % vector:
        vector = 1
    num_taps = taps.shape[1]
    together = power_of_two(SUMS // (atoms * vector) + 1) // 2
    together = max(1, min(together, power_of_two(num_taps)))
    rows, columns = shape_pixels(32 * WARPS // THREADS_PER_PIXEL, *size[1:])
    groups = len(grad_features)
    grid = (size[0] * ceil(size[1], rows) * ceil(size[2], columns),
            ceil(num_taps, together), num_atoms // atoms)
    correlate_kernel.correlate[grid](
        source, grad_features, grads, taps, num_taps, size[1], size[2],
        first_row, source.shape[1], source.shape[2], *step,
        *source.stride()[:3], *grads.stride(), channels, channels // groups,
        grad_features.stride(1), grad_features.stride(0), ATOMS=atoms,
        GROUPED=groups > 1, ROWS=rows, COLUMNS=columns,
        CHANNELS=vector * THREADS_PER_PIXEL, TAPS=together, num_warps=WARPS)

"""Triton kernels of the adaptive convolution; launch.py calls them.

A program covers a tile of ``ROWS`` x ``COLUMNS`` pixels of a chunk and, for
each, a block of channels. Maps are channels-last. Everything is summed in
float32, in a fixed order and without atomics; offsets between pixels are
64-bit.

``taps`` holds three rows of int32: how many rows and columns of the source a
tap is away from ``(row * step_row, column * step_column)``, and its place
among the atoms' taps.
"""
import triton.language as tl

from .parts import feature_offsets, jit, locate, sum_taps


@jit
def convolve(source, atoms, features, taps,  # pointers
             num_taps, rows, columns, first_row, first_atoms_row,
             source_rows, source_columns, step_row, step_column,
             source_image, source_row, source_column,  # strides
             atoms_image, atoms_atom, atoms_tap, atoms_row, atoms_column,
             channels, group_channels, pixel_stride, group_stride,
             ATOMS: tl.constexpr, FOLLOW: tl.constexpr,
             GROUPED: tl.constexpr, ROWS: tl.constexpr,
             COLUMNS: tl.constexpr, CHANNELS: tl.constexpr):
    """Atom convolution: every channel filtered by the atoms of its pixel."""
    image, row, column = locate(rows, columns, ROWS, COLUMNS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    first_atom = tl.program_id(2) * ATOMS
    inside = (row < rows) & (column < columns)
    there = (channel < channels)[None, :]
    y = (first_row + row) * step_row
    x = column * step_column
    start = (image * source_image + y.to(tl.int64) * source_row +
             x.to(tl.int64) * source_column)
    sources = source + (start[:, None] + channel[None, :])
    filters = atoms + (
        image * atoms_image + first_atom.to(tl.int64) * atoms_atom +
        (first_row + row - first_atoms_row).to(tl.int64) * atoms_row +
        column.to(tl.int64) * atoms_column)
    # 64-bit even where the stride is a constant.
    next_atom = first_atom.to(tl.int64) * 0 + atoms_atom
    z0, z1, z2, z3, z4, z5, z6, z7 = sum_taps(
        sources, filters, taps, num_taps, y, x, inside, there, source_rows,
        source_columns, source_row, source_column, next_atom, atoms_tap,
        atoms_row, atoms_column, ATOMS, FOLLOW)
    targets = features + first_atom * group_channels + feature_offsets(
        image, row, column, channel, rows, columns, group_channels,
        pixel_stride, group_stride, GROUPED)
    mask = inside[:, None] & there
    kind = features.dtype.element_ty
    tl.store(targets, z0.to(kind), mask=mask)
    if ATOMS > 1:
        tl.store(targets + group_channels, z1.to(kind), mask=mask)
    if ATOMS > 2:
        tl.store(targets + 2 * group_channels, z2.to(kind), mask=mask)
    if ATOMS > 3:
        tl.store(targets + 3 * group_channels, z3.to(kind), mask=mask)
    if ATOMS > 4:
        tl.store(targets + 4 * group_channels, z4.to(kind), mask=mask)
    if ATOMS > 5:
        tl.store(targets + 5 * group_channels, z5.to(kind), mask=mask)
    if ATOMS > 6:
        tl.store(targets + 6 * group_channels, z6.to(kind), mask=mask)
    if ATOMS > 7:
        tl.store(targets + 7 * group_channels, z7.to(kind), mask=mask)


@jit
def correlate(source, grad_features, grads, taps,  # pointers
              num_taps, rows, columns, first_row, source_rows,
              source_columns, step_row, step_column, source_image,
              source_row, source_column, grad_image, grad_atom, grad_tap,
              grad_row, grad_column, channels, group_channels, pixel_stride,
              group_stride, ATOMS: tl.constexpr, GROUPED: tl.constexpr,
              ROWS: tl.constexpr, COLUMNS: tl.constexpr,
              CHANNELS: tl.constexpr, TAPS: tl.constexpr):
    """Gradient of ``ATOMS`` atoms at ``TAPS`` taps.

    Summed over all channels, a few per step, in registers: threads meet only
    after the last one.
    """
    image, row, column = locate(rows, columns, ROWS, COLUMNS)
    inside = (row < rows) & (column < columns)
    first_atom = tl.program_id(2) * ATOMS
    n = tl.program_id(1) * TAPS + tl.arange(0, TAPS)
    known = n < num_taps
    y = (first_row + row) * step_row
    x = column * step_column
    from_y = tl.load(taps + n, mask=known, other=0)[:, None] + y[None, :]
    from_x = tl.load(taps + num_taps + n, mask=known,
                     other=0)[:, None] + x[None, :]
    wanted = known[:, None] & inside[None, :]
    seen = wanted & (from_y >= 0) & (from_y < source_rows) & (
        from_x >= 0) & (from_x < source_columns)
    sources = source + (
        image * source_image + from_y.to(tl.int64) * source_row +
        from_x.to(tl.int64) * source_column)
    zero = tl.zeros((TAPS, ROWS * COLUMNS, CHANNELS), dtype=tl.float32)
    z0, z1, z2, z3 = zero, zero, zero, zero
    z4, z5, z6, z7 = zero, zero, zero, zero
    for first in range(0, channels, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        there = channel < channels
        value = tl.load(
            sources[:, :, None] + channel[None, None, :],
            mask=seen[:, :, None] & there[None, None, :],
            other=0.).to(tl.float32)
        features = grad_features + first_atom * group_channels + (
            feature_offsets(image, row, column, channel, rows, columns,
                            group_channels, pixel_stride, group_stride,
                            GROUPED))
        mask = inside[:, None] & there[None, :]
        dz = tl.load(features, mask=mask, other=0.).to(tl.float32)
        z0 += dz[None, :, :] * value
        if ATOMS > 1:
            dz = tl.load(features + group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z1 += dz[None, :, :] * value
        if ATOMS > 2:
            dz = tl.load(features + 2 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z2 += dz[None, :, :] * value
        if ATOMS > 3:
            dz = tl.load(features + 3 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z3 += dz[None, :, :] * value
        if ATOMS > 4:
            dz = tl.load(features + 4 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z4 += dz[None, :, :] * value
        if ATOMS > 5:
            dz = tl.load(features + 5 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z5 += dz[None, :, :] * value
        if ATOMS > 6:
            dz = tl.load(features + 6 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z6 += dz[None, :, :] * value
        if ATOMS > 7:
            dz = tl.load(features + 7 * group_channels, mask=mask,
                         other=0.).to(tl.float32)
            z7 += dz[None, :, :] * value
    place = tl.load(taps + 2 * num_taps + n, mask=known, other=0)
    start = (image * grad_image + row.to(tl.int64) * grad_row +
             column.to(tl.int64) * grad_column +
             first_atom.to(tl.int64) * grad_atom)
    targets = grads + (
        start[None, :] + (place.to(tl.int64) * grad_tap)[:, None])
    kind = grads.dtype.element_ty
    # Taps that see nothing have a gradient too: 0.
    total = tl.where(seen, tl.sum(z0, axis=2), 0.)
    tl.store(targets, total.to(kind), mask=wanted)
    if ATOMS > 1:
        total = tl.where(seen, tl.sum(z1, axis=2), 0.)
        tl.store(targets + grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 2:
        total = tl.where(seen, tl.sum(z2, axis=2), 0.)
        tl.store(targets + 2 * grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 3:
        total = tl.where(seen, tl.sum(z3, axis=2), 0.)
        tl.store(targets + 3 * grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 4:
        total = tl.where(seen, tl.sum(z4, axis=2), 0.)
        tl.store(targets + 4 * grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 5:
        total = tl.where(seen, tl.sum(z5, axis=2), 0.)
        tl.store(targets + 5 * grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 6:
        total = tl.where(seen, tl.sum(z6, axis=2), 0.)
        tl.store(targets + 6 * grad_atom, total.to(kind), mask=wanted)
    if ATOMS > 7:
        total = tl.where(seen, tl.sum(z7, axis=2), 0.)
        tl.store(targets + 7 * grad_atom, total.to(kind), mask=wanted)

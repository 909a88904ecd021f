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
def correlate(source, grad_features, grad_atoms, taps,  # pointers
              num_taps, rows, columns, first_row, source_rows,
              source_columns, step_row, step_column, source_image,
              source_row, source_column, grad_part, grad_atom, grad_tap,
              channels, group_channels, pixel_stride, group_stride,
              ATOMS: tl.constexpr, GROUPED: tl.constexpr, ROWS: tl.constexpr,
              COLUMNS: tl.constexpr, CHANNELS: tl.constexpr):
    """Gradient of the atoms, (part, atom, tap, pixel).

    Each block of channels writes a part; the parts are still to be summed.
    """
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
    features = grad_features + first_atom * group_channels + feature_offsets(
        image, row, column, channel, rows, columns, group_channels,
        pixel_stride, group_stride, GROUPED)
    mask = inside[:, None] & there
    z0 = tl.load(features, mask=mask, other=0.).to(tl.float32)
    z1, z2, z3, z4, z5, z6, z7 = z0, z0, z0, z0, z0, z0, z0
    if ATOMS > 1:
        z1 = tl.load(
            features + group_channels, mask=mask, other=0.).to(tl.float32)
    if ATOMS > 2:
        z2 = tl.load(
            features + 2 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    if ATOMS > 3:
        z3 = tl.load(
            features + 3 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    if ATOMS > 4:
        z4 = tl.load(
            features + 4 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    if ATOMS > 5:
        z5 = tl.load(
            features + 5 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    if ATOMS > 6:
        z6 = tl.load(
            features + 6 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    if ATOMS > 7:
        z7 = tl.load(
            features + 7 * group_channels, mask=mask,
            other=0.).to(tl.float32)
    targets = grad_atoms + (
        tl.program_id(1).to(tl.int64) * grad_part +
        first_atom.to(tl.int64) * grad_atom +
        ((image * rows + row) * columns + column))
    for n in range(num_taps):
        dy = tl.load(taps + n)
        dx = tl.load(taps + num_taps + n)
        place = tl.load(taps + 2 * num_taps + n).to(tl.int64)
        seen = inside & (y + dy >= 0) & (y + dy < source_rows) & (
            x + dx >= 0) & (x + dx < source_columns)
        away = dy.to(tl.int64) * source_row + dx.to(tl.int64) * source_column
        value = tl.load(
            sources + away, mask=seen[:, None] & there,
            other=0.).to(tl.float32)
        here = targets + place * grad_tap
        total = tl.sum(z0 * value, axis=1)
        tl.store(here, total, mask=inside)
        if ATOMS > 1:
            total = tl.sum(z1 * value, axis=1)
            tl.store(here + grad_atom, total, mask=inside)
        if ATOMS > 2:
            total = tl.sum(z2 * value, axis=1)
            tl.store(here + 2 * grad_atom, total, mask=inside)
        if ATOMS > 3:
            total = tl.sum(z3 * value, axis=1)
            tl.store(here + 3 * grad_atom, total, mask=inside)
        if ATOMS > 4:
            total = tl.sum(z4 * value, axis=1)
            tl.store(here + 4 * grad_atom, total, mask=inside)
        if ATOMS > 5:
            total = tl.sum(z5 * value, axis=1)
            tl.store(here + 5 * grad_atom, total, mask=inside)
        if ATOMS > 6:
            total = tl.sum(z6 * value, axis=1)
            tl.store(here + 6 * grad_atom, total, mask=inside)
        if ATOMS > 7:
            total = tl.sum(z7 * value, axis=1)
            tl.store(here + 7 * grad_atom, total, mask=inside)


@jit
def mix(inputs, matrix, outputs,  # pointers
        num_parts, num_inputs, num_outputs, num_atoms, num_rows, rows,
        columns, input_part, input_image, input_atom, input_channel,
        input_row, input_column, output_image, output_atom, output_channel,
        output_row, output_column, DENSE: tl.constexpr, ROWS: tl.constexpr,
        OUTPUTS: tl.constexpr):
    """``outputs = (sum of parts of inputs) @ matrix`` at every pixel and atom.

    A row of the product is a pixel and an atom, atoms fastest; with ``DENSE``
    the outputs are stored in that order, channel by channel.
    """
    index = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    mask = (output < num_outputs)[:, None] & (index < num_rows)[None, :]
    # Those to spare read what the last ones read, and store nothing.
    index = tl.minimum(index, num_rows - 1)
    output = tl.minimum(output, num_outputs - 1)
    atom = (index % num_atoms).to(tl.int64)
    pixel = index // num_atoms
    column = (pixel % columns).to(tl.int64)
    row = (pixel // columns % rows).to(tl.int64)
    image = (pixel // columns // rows).to(tl.int64)
    sources = inputs + (
        image * input_image + atom * input_atom + row * input_row +
        column * input_column)
    total = tl.zeros((OUTPUTS, ROWS), dtype=tl.float32)
    for _part in range(num_parts):
        here = sources
        weights = matrix + output
        for _n in range(num_inputs):
            value = tl.load(here).to(tl.float32)
            total += tl.load(weights)[:, None] * value[None, :]
            here += input_channel
            weights += num_outputs
        sources += input_part
    channel = (output.to(tl.int64) * output_channel)[:, None]
    if DENSE:
        pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        targets = outputs + (channel + pixel[None, :])
    else:
        start = (
            image * output_image + atom * output_atom + row * output_row +
            column * output_column)
        targets = outputs + (channel + start[None, :])
    tl.store(targets, total.to(outputs.dtype.element_ty), mask=mask)

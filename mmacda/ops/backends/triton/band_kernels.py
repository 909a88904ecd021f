"""Triton kernels of the atom convolution for tensor cores.

A program takes ``SIDE`` x ``SIDE`` pixels with eight atoms each. Their filters
are the columns of one matrix, with a row for every pixel of the patch that
they see: a band, with zeros where a filter does not reach. The atom
convolution is its product with the patch, the gradient of the atoms the
product of patch and gradient, of which the band is kept. Stride and dilation
are 1.

Maps are channels-last; atoms are (tap, pixel, atom), in ``blocks`` of eight
atoms, ``tap_eights`` eights per tap. ``places`` has a cell for each of the
k * k taps: its place among the atoms' taps, -1 where it is dead. Sums are
float32, in a fixed order.
"""
import triton
import triton.language as tl

from .parts import jit

EIGHT = tl.constexpr(8)


@triton.jit
def meet(seen_y, seen_x, y, x, row, column, first_row, first_atoms_row,
         source_rows, source_columns, rows, columns, atoms_columns, places,
         pad_row, pad_column, K: tl.constexpr, FOLLOW: tl.constexpr):
    """Of seen and target pixels of a tile: place of the tap between them.

    Also the pixel of the chunk's atoms that owns the filter, and whether
    there is one. ``pad_row`` and ``pad_column`` are the convolution's; with
    ``FOLLOW`` the source pixel owns the filter, and taps are flipped.
    """
    tap_y = seen_y - y
    tap_x = seen_x - x
    source_y = first_row + row + seen_y - pad_row
    source_x = column + seen_x - pad_column
    band = (tap_y >= 0) & (tap_y < K) & (tap_x >= 0) & (tap_x < K) & (
        row + y < rows) & (column + x < columns) & (source_y >= 0) & (
            source_y < source_rows) & (source_x >= 0) & (
                source_x < source_columns)
    if FOLLOW:
        tap = (K - 1 - tap_y) * K + (K - 1 - tap_x)
        owner = (source_y - first_atoms_row) * atoms_columns + source_x
        owner += (y + x) * 0
    else:
        tap = tap_y * K + tap_x
        owner = (row + y) * atoms_columns + column + x
        owner += (seen_y + seen_x) * 0
    place = tl.load(places + tap, mask=band, other=-1)
    return place.to(tl.int64), owner, band & (place >= 0)


@triton.jit
def locate_tile(rows, columns, SIDE: tl.constexpr):
    """Image, and row and column of the tile's first pixel."""
    across = tl.cdiv(columns, SIDE)
    tiles = across * tl.cdiv(rows, SIDE)
    tile = tl.program_id(0)
    return ((tile // tiles).to(tl.int64), tile % tiles // across * SIDE,
            tile % tiles % across * SIDE)


@triton.jit
def sum_patch(source, filters, z, image, row, column, first_channel,
              channels, first_row, first_atoms_row, source_rows,
              source_columns, source_image, source_row, source_column, rows,
              columns, atoms_columns, places, pad_row, pad_column,
              tap_eights, blocks, K: tl.constexpr, FOLLOW: tl.constexpr,
              SIDE: tl.constexpr, PATCH: tl.constexpr,
              CHANNELS: tl.constexpr):
    """Z of a tile, pixel by pixel of its patch.

    For patches that hold Inf or NaN: what no filter reaches takes no part.
    """
    line = tl.arange(0, SIDE * SIDE * EIGHT)
    y = line // EIGHT // SIDE
    x = line // EIGHT % SIDE
    channel = first_channel + tl.arange(0, CHANNELS)
    z *= 0
    z = tl.where(z == 0, z, 0.)
    for seen in range(PATCH * PATCH):
        seen_y = seen // PATCH
        seen_x = seen % PATCH
        place, owner, band = meet(
            seen_y, seen_x, y, x, row, column, first_row, first_atoms_row,
            source_rows, source_columns, rows, columns, atoms_columns,
            places, pad_row, pad_column, K, FOLLOW)
        weight = tl.load(
            filters + ((place * tap_eights + owner * blocks) * EIGHT +
                       line % EIGHT), mask=band, other=0.).to(tl.float32)
        from_y = first_row + row + seen_y - pad_row
        from_x = column + seen_x - pad_column
        there = (from_y >= 0) & (from_y < source_rows) & (from_x >= 0) & (
            from_x < source_columns)
        start = (image * source_image + from_y.to(tl.int64) * source_row +
                 from_x.to(tl.int64) * source_column)
        value = tl.load(
            source + (start + channel),
            mask=there & (channel < channels), other=0.).to(tl.float32)
        z += tl.where(band[:, None], weight[:, None] * value[None, :], 0.)
    return z


@jit
def convolve_band(source, atoms, features, places,  # pointers
                  rows, columns, first_row, first_atoms_row, atoms_rows,
                  atoms_columns, source_rows, source_columns, source_image,
                  source_row, source_column, pad_row, pad_column, channels,
                  span, num_atoms, tap_eights,
                  blocks, K: tl.constexpr, FOLLOW: tl.constexpr,
                  SIDE: tl.constexpr, PATCH: tl.constexpr,
                  SEEN: tl.constexpr, CHANNELS: tl.constexpr,
                  PRODUCT: tl.constexpr):
    """features[pixel, atom, channel], of ``span`` channels and 8 atoms."""
    image, row, column = locate_tile(rows, columns, SIDE)
    first_atom = tl.program_id(2) * EIGHT
    seen = tl.arange(0, SEEN)
    seen_y = seen // PATCH
    seen_x = seen % PATCH
    pixel = tl.arange(0, SIDE * SIDE)
    place, owner, band = meet(
        seen_y[:, None], seen_x[:, None], (pixel // SIDE)[None, :],
        (pixel % SIDE)[None, :], row, column, first_row, first_atoms_row,
        source_rows, source_columns, rows, columns, atoms_columns, places,
        pad_row, pad_column, K, FOLLOW)
    own = atoms + (image * atoms_rows * atoms_columns * blocks +
                   tl.program_id(2)) * EIGHT
    start = (place * tap_eights + owner * blocks) * EIGHT
    filters = tl.load(
        own + (start[:, :, None] + tl.arange(0, EIGHT)[None, None, :]),
        mask=band[:, :, None], other=0.)
    matrix = tl.trans(
        tl.reshape(filters, (SEEN, SIDE * SIDE * EIGHT))).to(PRODUCT)
    from_y = first_row + row + seen_y - pad_row
    from_x = column + seen_x - pad_column
    there = (seen < PATCH * PATCH) & (from_y >= 0) & (
        from_y < source_rows) & (from_x >= 0) & (from_x < source_columns)
    sources = source + (
        image * source_image + from_y.to(tl.int64) * source_row +
        from_x.to(tl.int64) * source_column)
    line = tl.arange(0, SIDE * SIDE * EIGHT)
    y = row + line // EIGHT // SIDE
    x = column + line // EIGHT % SIDE
    atom = first_atom + line % EIGHT
    inside = (y < rows) & (x < columns) & (atom < num_atoms)
    targets = features + (
        ((image * rows + y) * columns + x) * num_atoms + atom) * channels
    channel = tl.arange(0, CHANNELS)
    begin = tl.program_id(1) * span
    end = tl.minimum(begin + span, channels)
    trace = 0.
    for first in range(begin, end, CHANNELS):
        wanted = (first + channel < end)[None, :]
        value = tl.load(
            sources[:, None] + (first + channel)[None, :],
            mask=there[:, None] & wanted, other=0.)
        z = tl.dot(matrix, value.to(PRODUCT), input_precision='ieee')
        # Not 0 where a value is Inf or NaN: those are in all sums of a patch.
        trace += tl.sum(z * 0.)
        tl.store(
            targets[:, None] + (first + channel)[None, :],
            z.to(features.dtype.element_ty), mask=inside[:, None] & wanted)
    if trace != 0.:
        for first in range(begin, end, CHANNELS):
            wanted = (first + channel < end)[None, :]
            z = sum_patch(
                source, own, tl.zeros((SIDE * SIDE * EIGHT, CHANNELS),
                                      dtype=tl.float32), image, row, column,
                first, channels, first_row, first_atoms_row, source_rows,
                source_columns, source_image, source_row, source_column, rows,
                columns, atoms_columns, places, pad_row, pad_column,
                tap_eights, blocks, K, FOLLOW, SIDE, PATCH, CHANNELS)
            tl.store(
                targets[:, None] + (first + channel)[None, :],
                z.to(features.dtype.element_ty),
                mask=inside[:, None] & wanted)


@jit
def correlate_band(source, grad_features, grads, places,  # pointers
                   rows, columns, first_row, source_rows, source_columns,
                   source_image, source_row, source_column, pad_row,
                   pad_column, channels, num_atoms, tap_eights,
                   blocks, K: tl.constexpr, SIDE: tl.constexpr,
                   PATCH: tl.constexpr, SEEN: tl.constexpr,
                   CHANNELS: tl.constexpr, PRODUCT: tl.constexpr):
    """grads[tap, pixel, atom] of the atoms, spare ones included."""
    image, row, column = locate_tile(rows, columns, SIDE)
    first_atom = tl.program_id(1) * EIGHT
    seen = tl.arange(0, SEEN)
    seen_y = seen // PATCH
    seen_x = seen % PATCH
    from_y = first_row + row + seen_y - pad_row
    from_x = column + seen_x - pad_column
    there = (seen < PATCH * PATCH) & (from_y >= 0) & (
        from_y < source_rows) & (from_x >= 0) & (from_x < source_columns)
    sources = source + (
        image * source_image + from_y.to(tl.int64) * source_row +
        from_x.to(tl.int64) * source_column)
    line = tl.arange(0, SIDE * SIDE * EIGHT)
    y = row + line // EIGHT // SIDE
    x = column + line // EIGHT % SIDE
    atom = first_atom + line % EIGHT
    inside = (y < rows) & (x < columns) & (atom < num_atoms)
    upstream = grad_features + (
        ((image * rows + y) * columns + x) * num_atoms + atom) * channels
    channel = tl.arange(0, CHANNELS)
    total = tl.zeros((SEEN, SIDE * SIDE * EIGHT), dtype=tl.float32)
    for first in range(0, channels, CHANNELS):
        wanted = (first + channel < channels)[None, :]
        value = tl.load(
            sources[:, None] + (first + channel)[None, :],
            mask=there[:, None] & wanted, other=0.)
        dz = tl.load(
            upstream[:, None] + (first + channel)[None, :],
            mask=inside[:, None] & wanted, other=0.)
        total = tl.dot(
            value.to(PRODUCT), tl.trans(dz).to(PRODUCT), total,
            input_precision='ieee')
    # Taps that see nothing have a gradient too: 0.
    total = tl.where(there[:, None], total, 0.).to(grads.dtype.element_ty)
    pixel = tl.arange(0, SIDE * SIDE)
    tap_y = seen_y[:, None] - (pixel // SIDE)[None, :]
    tap_x = seen_x[:, None] - (pixel % SIDE)[None, :]
    band = (tap_y >= 0) & (tap_y < K) & (tap_x >= 0) & (tap_x < K) & (
        row + pixel // SIDE < rows)[None, :] & (
            column + pixel % SIDE < columns)[None, :] & (
                seen < PATCH * PATCH)[:, None]
    place = tl.load(places + (tap_y * K + tap_x), mask=band, other=-1)
    owner = ((image * rows + row + pixel // SIDE) * columns + column +
             pixel % SIDE)[None, :]
    start = (place.to(tl.int64) * tap_eights + owner * blocks +
             tl.program_id(1)) * EIGHT
    tl.store(
        grads + (start[:, :, None] + tl.arange(0, EIGHT)[None, None, :]),
        tl.reshape(total, (SEEN, SIDE * SIDE, EIGHT)),
        mask=(band & (place >= 0))[:, :, None])

"""Triton kernels of the atom convolution for tensor cores.

A program takes ``ROWS`` x ``COLUMNS`` pixels with eight atoms each: its lines.
Their filters are the columns of one matrix, with a row for every pixel of the
patch that they see: a band, with zeros where a filter does not reach. The atom
convolution is its product with the patch, the gradient of the atoms the
product of patch and gradient, of which the band is kept. Stride and dilation
are 1. A row of the patch has 16 pixels, of which those are read that some
filter sees: what is a power of two takes no divisions.

Maps are channels-last; atoms are (tap, pixel, atom), in ``blocks`` of eight
atoms, ``tap_eights`` eights per tap. Which of the k * k taps have a place
among the atoms is packed into numbers, row by row: ``FIRSTS`` and ``SPANS``
hold four bits for each row, ``SHIFTS`` eight, see ``band.pack_rows``: loads of
a table would take longer. Sums are float32, in a fixed order.
"""
import triton
import triton.language as tl

from .parts import jit

EIGHT = tl.constexpr(8)
WIDTH = tl.constexpr(16)  # of the patch
FEW = tl.constexpr(16)  # channels
# Of what SHIFTS holds, so that none is negative.
BIAS = tl.constexpr(8)


@triton.jit
def find_place(tap_y, tap_x, FIRSTS: tl.constexpr, SPANS: tl.constexpr,
               SHIFTS: tl.constexpr):
    """Place among the atoms of what may be a tap, and whether it is one.

    ``tap_x`` is below 15. Rows that are none are among the eight: dead ones.
    """
    row = tap_y & 7
    first = (FIRSTS >> (row * 4)) & 15
    span = (SPANS >> (row * 4)) & 15
    shift = ((SHIFTS >> (row * 8).to(tl.int64)) & 127).to(tl.int32)
    return (tap_x + shift - BIAS,
            (tap_x - first).to(tl.uint32) <= span.to(tl.uint32))


@triton.jit
def is_within(index, count):
    """0 <= index < count."""
    return index.to(tl.uint32) < count.to(tl.uint32)


@triton.jit
def locate_filters(seen_y, seen_x, y, x, row, column, first_row,
                   first_atoms_row, source_rows, source_columns, rows,
                   columns, atoms_columns, pad_row, pad_column, tap_eights,
                   blocks, K: tl.constexpr, FOLLOW: tl.constexpr,
                   FIRSTS: tl.constexpr, SPANS: tl.constexpr,
                   SHIFTS: tl.constexpr, WIDE: tl.constexpr):
    """Of seen and target pixels of a tile: where the tap's eight atoms are.

    Also whether there are any. ``pad_row`` and ``pad_column`` are the
    convolution's; with ``FOLLOW`` the source pixel owns the filter, and taps
    are flipped.
    """
    tap_y = seen_y - y
    tap_x = seen_x - x
    if FOLLOW:
        tap_y = K - 1 - tap_y
        tap_x = K - 1 - tap_x
    place, live = find_place(tap_y, tap_x, FIRSTS, SPANS, SHIFTS)
    source_y = first_row + row + seen_y - pad_row
    source_x = column + seen_x - pad_column
    there = is_within(source_y, source_rows) & is_within(
        source_x, source_columns)
    inside = (row + y < rows) & (column + x < columns)
    if FOLLOW:
        owner = (source_y - first_atoms_row) * atoms_columns + source_x
    else:
        owner = (row + y) * atoms_columns + column + x
    if WIDE:
        place = place.to(tl.int64)
    return place * tap_eights + owner * blocks, live & there & inside


@triton.jit
def locate_tile(rows, columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Image, and row and column of the tile's first pixel."""
    across = tl.cdiv(columns, COLUMNS)
    tiles = across * tl.cdiv(rows, ROWS)
    tile = tl.program_id(0)
    return ((tile // tiles).to(tl.int64), tile % tiles // across * ROWS,
            tile % tiles % across * COLUMNS)


@triton.jit
def sum_patch(source, filters, z, image, row, column, first_channel,
              channels, first_row, first_atoms_row, source_rows,
              source_columns, source_image, source_row, source_column, rows,
              columns, atoms_columns, pad_row, pad_column, tap_eights, blocks,
              K: tl.constexpr, FOLLOW: tl.constexpr, FIRSTS: tl.constexpr,
              SPANS: tl.constexpr, SHIFTS: tl.constexpr, WIDE: tl.constexpr,
              ROWS: tl.constexpr, COLUMNS: tl.constexpr,
              CHANNELS: tl.constexpr):
    """Z of a tile, pixel by pixel of its patch.

    For patches that hold Inf or NaN: what no filter reaches takes no part.
    """
    line = tl.arange(0, ROWS * COLUMNS * EIGHT)
    y = line // EIGHT // COLUMNS
    x = line // EIGHT % COLUMNS
    channel = first_channel + tl.arange(0, CHANNELS)
    z *= 0
    z = tl.where(z == 0, z, 0.)
    for seen_y in range(ROWS + K - 1):
        for seen_x in range(COLUMNS + K - 1):
            # Blocks all of them: Triton 3.9 interprets a mask of a number
            # and a block as no mask.
            eight, band = locate_filters(
                seen_y + y * 0, seen_x + x * 0, y, x, row, column, first_row,
                first_atoms_row, source_rows, source_columns, rows, columns,
                atoms_columns, pad_row, pad_column, tap_eights, blocks, K,
                FOLLOW, FIRSTS, SPANS, SHIFTS, WIDE)
            weight = tl.load(
                filters + (eight * EIGHT + line % EIGHT), mask=band,
                other=0.).to(tl.float32)
            from_y = first_row + row + seen_y - pad_row + channel * 0
            from_x = column + seen_x - pad_column + channel * 0
            there = is_within(from_y, source_rows) & is_within(
                from_x, source_columns)
            start = (image * source_image + from_y.to(tl.int64) * source_row +
                     from_x.to(tl.int64) * source_column)
            value = tl.load(
                source + (start + channel),
                mask=there & (channel < channels), other=0.).to(tl.float32)
            z += tl.where(band[:, None], weight[:, None] * value[None, :], 0.)
    return z


@jit
def convolve_band(source, atoms, features,  # pointers
                  rows, columns, first_row, first_atoms_row, atoms_rows,
                  atoms_columns, source_rows, source_columns, source_image,
                  source_row, source_column, pad_row, pad_column, channels,
                  span, num_atoms, tap_eights,
                  blocks, K: tl.constexpr, FOLLOW: tl.constexpr,
                  FIRSTS: tl.constexpr, SPANS: tl.constexpr,
                  SHIFTS: tl.constexpr, WIDE: tl.constexpr,
                  ROWS: tl.constexpr, COLUMNS: tl.constexpr,
                  SEEN: tl.constexpr, CHANNELS: tl.constexpr,
                  PRODUCT: tl.constexpr):
    """features[pixel, atom, channel], of ``span`` channels and 8 atoms."""
    image, row, column = locate_tile(rows, columns, ROWS, COLUMNS)
    first_atom = tl.program_id(2) * EIGHT
    seen = tl.arange(0, SEEN)
    seen_y = seen // WIDTH
    seen_x = seen % WIDTH
    line = tl.arange(0, ROWS * COLUMNS * EIGHT)
    y = line // EIGHT // COLUMNS
    x = line // EIGHT % COLUMNS
    from_y = first_row + row + seen_y - pad_row
    from_x = column + seen_x - pad_column
    there = (seen_y < ROWS + K - 1) & (seen_x < COLUMNS + K - 1) & is_within(
        from_y, source_rows) & is_within(from_x, source_columns)
    sources = source + (
        image * source_image + from_y.to(tl.int64) * source_row +
        from_x.to(tl.int64) * source_column)
    channel = tl.arange(0, CHANNELS)
    begin = tl.program_id(1) * span
    end = tl.minimum(begin + span, channels)
    # Of the first step, while filters are on their way.
    early = tl.load(
        sources[:, None] + (begin + channel)[None, :],
        mask=there[:, None] & (begin + channel < end)[None, :], other=0.)
    # Of line by line, so that the product reads it where it is loaded to.
    eight, band = locate_filters(
        seen_y[:, None], seen_x[:, None], y[None, :], x[None, :], row, column,
        first_row, first_atoms_row, source_rows, source_columns, rows,
        columns, atoms_columns, pad_row, pad_column, tap_eights, blocks, K,
        FOLLOW, FIRSTS, SPANS, SHIFTS, WIDE)
    own = atoms + (image * atoms_rows * atoms_columns * blocks +
                   tl.program_id(2)) * EIGHT
    start = tl.max_contiguous(
        tl.multiple_of(eight * EIGHT + (line % EIGHT)[None, :], (1, 8)),
        (1, 8))
    filters = tl.load(
        own + start, mask=tl.max_constancy(
            band & (seen_x < 15)[:, None], (1, 8)), other=0.)
    matrix = tl.trans(filters.to(PRODUCT))
    atom = first_atom + line % EIGHT
    inside = (row + y < rows) & (column + x < columns) & (atom < num_atoms)
    targets = features + (((image * rows + row + y) * columns + column + x) *
                          num_atoms + atom) * channels
    trace = tl.zeros((ROWS * COLUMNS * EIGHT, ), dtype=tl.float32)
    for first in range(begin, end, CHANNELS):
        wanted = (first + channel < end)[None, :]
        value = early
        following = first + CHANNELS + channel
        early = tl.load(
            sources[:, None] + following[None, :],
            mask=there[:, None] & (following < end)[None, :], other=0.)
        z = tl.dot(matrix, value.to(PRODUCT), input_precision='ieee')
        # Not 0 where a value is Inf or NaN: those are in all sums of a patch.
        trace += tl.sum(z * 0., 1)
        tl.store(
            targets[:, None] + (first + channel)[None, :],
            z.to(features.dtype.element_ty), mask=inside[:, None] & wanted)
    if tl.sum(trace) != 0.:  # rare: few channels at a time, few registers
        few = tl.arange(0, FEW)
        for first in range(begin, end, FEW):
            z = sum_patch(
                source, own, tl.zeros((ROWS * COLUMNS * EIGHT, FEW),
                                      dtype=tl.float32), image, row, column,
                first, channels, first_row, first_atoms_row, source_rows,
                source_columns, source_image, source_row, source_column, rows,
                columns, atoms_columns, pad_row, pad_column, tap_eights,
                blocks, K, FOLLOW, FIRSTS, SPANS, SHIFTS, WIDE, ROWS, COLUMNS,
                FEW)
            tl.store(
                targets[:, None] + (first + few)[None, :],
                z.to(features.dtype.element_ty),
                mask=inside[:, None] & (first + few < end)[None, :])


@jit
def correlate_band(source, grad_features, grads,  # pointers
                   rows, columns, first_row, source_rows, source_columns,
                   source_image, source_row, source_column, pad_row,
                   pad_column, channels, num_atoms, tap_eights,
                   blocks, K: tl.constexpr, FIRSTS: tl.constexpr,
                   SPANS: tl.constexpr, SHIFTS: tl.constexpr,
                   WIDE: tl.constexpr, ROWS: tl.constexpr,
                   COLUMNS: tl.constexpr, SEEN: tl.constexpr,
                   CHANNELS: tl.constexpr, PRODUCT: tl.constexpr):
    """grads[tap, pixel, atom] of the atoms, spare ones included."""
    image, row, column = locate_tile(rows, columns, ROWS, COLUMNS)
    first_atom = tl.program_id(1) * EIGHT
    seen = tl.arange(0, SEEN)
    seen_y = seen // WIDTH
    seen_x = seen % WIDTH
    from_y = first_row + row + seen_y - pad_row
    from_x = column + seen_x - pad_column
    there = (seen_y < ROWS + K - 1) & (seen_x < COLUMNS + K - 1) & is_within(
        from_y, source_rows) & is_within(from_x, source_columns)
    sources = source + (
        image * source_image + from_y.to(tl.int64) * source_row +
        from_x.to(tl.int64) * source_column)
    line = tl.arange(0, ROWS * COLUMNS * EIGHT)
    y = line // EIGHT // COLUMNS
    x = line // EIGHT % COLUMNS
    atom = first_atom + line % EIGHT
    here = (row + y < rows) & (column + x < columns)
    inside = here & (atom < num_atoms)
    pixel = (row + y) * columns + column + x
    upstream = grad_features + (
        (image * rows * columns + pixel) * num_atoms + atom) * channels
    channel = tl.arange(0, CHANNELS)
    total = tl.zeros((SEEN, ROWS * COLUMNS * EIGHT), dtype=tl.float32)
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
    place, live = find_place(seen_y[:, None] - y[None, :],
                             seen_x[:, None] - x[None, :], FIRSTS, SPANS,
                             SHIFTS)
    if WIDE:
        place = place.to(tl.int64)
    start = (place * tap_eights + (pixel * blocks)[None, :]) * EIGHT + (
        line % EIGHT)[None, :]
    own = grads + (image * rows * columns * blocks +
                   tl.program_id(1)) * EIGHT
    tl.store(
        own + tl.max_contiguous(tl.multiple_of(start, (1, 8)), (1, 8)), total,
        mask=tl.max_constancy(
            live & here[None, :] & (seen_x < 15)[:, None], (1, 8)))

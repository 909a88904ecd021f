"""What the Triton kernels are made of; see ``kernels.py`` for the words."""
import triton
import triton.language as tl

# Arguments that are not worth a compilation for the values 1 or 16 n. Other
# strides are: they decide how many channels a thread loads at once.
UNSPECIALIZED = [
    'num_taps', 'num_atoms', 'num_pixels', 'num_coefficients', 'num_hidden',
    'rows', 'columns', 'first_row', 'first_atoms_row', 'source_rows',
    'source_columns', 'step_row', 'step_column', 'pad_row', 'pad_column',
    'atoms_image', 'atoms_tap', 'atoms_row', 'atoms_column', 'atoms_rows',
    'atoms_columns', 'tap_eights', 'grad_image', 'grad_atom', 'grad_tap',
    'grad_row', 'grad_column',
    # Of weights.
    'weight_count', 'weight_atoms', 'weight_channels', 'weight_outputs'
]


def jit(function):
    names = function.__code__.co_varnames[:function.__code__.co_argcount]
    return triton.jit(
        function,
        do_not_specialize=[n for n in UNSPECIALIZED if n in names])


@triton.jit
def locate(rows, columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Image, row and column of each pixel of this program's tile."""
    across = tl.cdiv(columns, COLUMNS)
    tiles = across * tl.cdiv(rows, ROWS)
    tile = tl.program_id(0)
    pixel = tl.arange(0, ROWS * COLUMNS)
    row = tile % tiles // across * ROWS + pixel // COLUMNS
    column = tile % tiles % across * COLUMNS + pixel % COLUMNS
    return (tile // tiles).to(tl.int64), row, column


@triton.jit
def feature_offsets(image, row, column, channel, rows, columns,
                     group_channels, pixel_stride, group_stride,
                     GROUPED: tl.constexpr):
    """Of atom 0, in (group, pixel, atom, channel of the group)."""
    pixel = (image * rows + row) * columns + column
    if GROUPED:
        group = (channel // group_channels).to(tl.int64)
        channel = group * group_stride + channel % group_channels
    return (pixel * pixel_stride)[:, None] + channel[None, :]


@triton.jit
def sum_taps(sources, filters, taps, num_taps, y, x, inside, there,
             source_rows, source_columns, source_row, source_column,
             next_atom, atoms_tap, atoms_row, atoms_column,
             ATOMS: tl.constexpr, FOLLOW: tl.constexpr):
    """Z of up to eight atoms, for the pixels and channels of ``sources``.

    With ``FOLLOW`` the filters are those of the source pixel under the tap,
    not of the target: the transposed convolution, written as a gather.
    """
    zero = tl.zeros(sources.shape, dtype=tl.float32)
    z0, z1, z2, z3 = zero, zero, zero, zero
    z4, z5, z6, z7 = zero, zero, zero, zero
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
        away = place * atoms_tap
        if FOLLOW:
            away += (
                dy.to(tl.int64) * atoms_row + dx.to(tl.int64) * atoms_column)
        here = filters + away
        atom = tl.load(here, mask=seen, other=0.)
        z0 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 1:
            atom = tl.load(here + next_atom, mask=seen, other=0.)
            z1 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 2:
            atom = tl.load(here + 2 * next_atom, mask=seen, other=0.)
            z2 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 3:
            atom = tl.load(here + 3 * next_atom, mask=seen, other=0.)
            z3 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 4:
            atom = tl.load(here + 4 * next_atom, mask=seen, other=0.)
            z4 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 5:
            atom = tl.load(here + 5 * next_atom, mask=seen, other=0.)
            z5 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 6:
            atom = tl.load(here + 6 * next_atom, mask=seen, other=0.)
            z6 += atom.to(tl.float32)[:, None] * value
        if ATOMS > 7:
            atom = tl.load(here + 7 * next_atom, mask=seen, other=0.)
            z7 += atom.to(tl.float32)[:, None] * value
    return z0, z1, z2, z3, z4, z5, z6, z7

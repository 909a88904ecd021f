"""Triton kernels between coefficients and atoms, as products.

A program takes ``PIXELS`` pixels of one image with eight atoms each: the
lines of a product with the bases. Atoms are (tap, pixel, atom), live taps
only and atoms padded to a multiple of eight, with zeros.

``psi`` is (PARTS, COEFFICIENTS, TAPS), padded with zeros: where products are
of half precision, the bases are the sum of two parts.
"""
import triton
import triton.language as tl

from .parts import jit
from .prepare import order_by_last

EIGHT = tl.constexpr(8)


@triton.jit
def hyperbolic_tangent(value):
    """Exact to rounding, the smallest values included."""
    square = value * value
    near = value * (1. + square * (
        -1. / 3. + square * (2. / 15. + square * (
            -17. / 315. + square * (62. / 2835.)))))
    size = tl.abs(value)
    decay = tl.exp(-2. * size)
    far = (1. - decay) / (1. + decay)
    far = tl.where(value < 0., -far, far)
    return tl.where(size < 0.25, near, far)


@triton.jit
def multiply_bases(lines, psi, COEFFICIENTS: tl.constexpr,
                   TAPS: tl.constexpr, PARTS: tl.constexpr,
                   PRODUCT: tl.constexpr, PRECISION: tl.constexpr):
    """lines (n, COEFFICIENTS) @ psi."""
    j = tl.arange(0, COEFFICIENTS)
    tap = tl.arange(0, TAPS)
    here = psi + (j[:, None] * TAPS + tap[None, :])
    lines = lines.to(PRODUCT)
    made = tl.dot(lines, tl.load(here).to(PRODUCT),
                  input_precision=PRECISION)
    if PARTS == 2:
        rest = tl.load(here + COEFFICIENTS * TAPS).to(PRODUCT)
        made = tl.dot(lines, rest, made, input_precision=PRECISION)
    return made


@triton.jit
def multiply_transposed(lines, psi, COEFFICIENTS: tl.constexpr,
                        TAPS: tl.constexpr, PARTS: tl.constexpr,
                        PRODUCT: tl.constexpr, PRECISION: tl.constexpr):
    """lines (n, TAPS) @ psi'."""
    j = tl.arange(0, COEFFICIENTS)
    tap = tl.arange(0, TAPS)
    here = psi + (j[None, :] * TAPS + tap[:, None])
    lines = lines.to(PRODUCT)
    made = tl.dot(lines, tl.load(here).to(PRODUCT),
                  input_precision=PRECISION)
    if PARTS == 2:
        rest = tl.load(here + COEFFICIENTS * TAPS).to(PRODUCT)
        made = tl.dot(lines, rest, made, input_precision=PRECISION)
    return made


@triton.jit
def store_atoms(made, atoms, image, first_pixel, first_atom, num_pixels,
                num_taps, tap_eights, blocks, PIXELS: tl.constexpr,
                TAPS: tl.constexpr):
    """Write atoms (PIXELS * 8, TAPS) of pixels of an image."""
    line = tl.arange(0, PIXELS * EIGHT)
    pixel = first_pixel + line // EIGHT
    tap = tl.arange(0, TAPS)
    start = ((image * num_pixels + pixel) * blocks +
             first_atom // EIGHT) * EIGHT + line % EIGHT
    tl.store(
        atoms + (start[:, None] +
                 (tap.to(tl.int64) * tap_eights * EIGHT)[None, :]),
        made.to(atoms.dtype.element_ty),
        mask=(pixel < num_pixels)[:, None] & (tap < num_taps)[None, :])


@triton.jit
def load_atoms(atoms, image, first_pixel, first_atom, num_pixels, num_taps,
               tap_eights, blocks, PIXELS: tl.constexpr,
               TAPS: tl.constexpr):
    """Atoms (PIXELS * 8, TAPS) of pixels of an image, 0 beyond."""
    line = tl.arange(0, PIXELS * EIGHT)
    pixel = first_pixel + line // EIGHT
    tap = tl.arange(0, TAPS)
    start = ((image * num_pixels + pixel) * blocks +
             first_atom // EIGHT) * EIGHT + line % EIGHT
    return tl.load(
        atoms + (start[:, None] +
                 (tap.to(tl.int64) * tap_eights * EIGHT)[None, :]),
        mask=(pixel < num_pixels)[:, None] & (tap < num_taps)[None, :],
        other=0.)


@triton.jit
def coefficient_offsets(image, first_pixel, first_atom, num_pixels,
                        num_atoms, num_coefficients, alpha_image, alpha_atom,
                        alpha_coefficient, alpha_pixel,
                        PIXELS: tl.constexpr, COEFFICIENTS: tl.constexpr):
    """Offsets (pixel, atom, coefficient), and which of them there are."""
    pixel = first_pixel + tl.arange(0, PIXELS)
    atom = first_atom + tl.arange(0, EIGHT)
    j = tl.arange(0, COEFFICIENTS)
    pixel_start = image * alpha_image + pixel.to(tl.int64) * alpha_pixel
    value_start = (atom.to(tl.int64) * alpha_atom)[:, None] + (
        j.to(tl.int64) * alpha_coefficient)[None, :]
    mask = (pixel < num_pixels)[:, None, None] & (
        (atom < num_atoms)[:, None] &
        (j < num_coefficients)[None, :])[None, :, :]
    return pixel_start[:, None, None] + value_start[None, :, :], mask


@jit
def compose(alpha, atoms, weight, by_output, by_atom, psi,  # pointers
            num_pixels, num_taps, num_atoms, num_coefficients, alpha_image,
            alpha_atom, alpha_coefficient, alpha_pixel, tap_eights, blocks,
            weight_count, weight_channels, weight_outputs,
            PIXELS: tl.constexpr, COEFFICIENTS: tl.constexpr,
            TAPS: tl.constexpr, PARTS: tl.constexpr, PRODUCT: tl.constexpr,
            PRECISION: tl.constexpr, BY_OUTPUT: tl.constexpr,
            BY_ATOM: tl.constexpr, WEIGHTS: tl.constexpr):
    """atoms = alpha @ psi at every pixel and atom.

    Programs beyond the last block of atoms order the weight.
    """
    image = tl.program_id(1).to(tl.int64)
    first_pixel = tl.program_id(0) * PIXELS
    first_atom = tl.program_id(2) * EIGHT
    if tl.program_id(2) == blocks:
        order_by_last(weight, by_output, by_atom, weight_count, num_atoms,
                      weight_channels, weight_outputs, BY_OUTPUT, BY_ATOM,
                      WEIGHTS)
    else:
        offsets, mask = coefficient_offsets(
            image, first_pixel, first_atom, num_pixels, num_atoms,
            num_coefficients, alpha_image, alpha_atom, alpha_coefficient,
            alpha_pixel, PIXELS, COEFFICIENTS)
        lines = tl.reshape(
            tl.load(alpha + offsets, mask=mask, other=0.),
            (PIXELS * EIGHT, COEFFICIENTS))
        made = multiply_bases(lines, psi, COEFFICIENTS, TAPS, PARTS, PRODUCT,
                              PRECISION)
        store_atoms(made, atoms, image, first_pixel, first_atom, num_pixels,
                    num_taps, tap_eights, blocks, PIXELS, TAPS)


@jit
def decompose(grads, output, psi,  # pointers
              num_pixels, num_taps, num_atoms, num_coefficients,
              alpha_image, alpha_atom, alpha_coefficient, alpha_pixel,
              tap_eights, blocks, PIXELS: tl.constexpr,
              COEFFICIENTS: tl.constexpr, TAPS: tl.constexpr,
              PARTS: tl.constexpr, PRODUCT: tl.constexpr,
              PRECISION: tl.constexpr):
    """Gradient of alpha: that of the atoms @ psi'."""
    image = tl.program_id(1).to(tl.int64)
    first_pixel = tl.program_id(0) * PIXELS
    first_atom = tl.program_id(2) * EIGHT
    lines = load_atoms(grads, image, first_pixel, first_atom, num_pixels,
                       num_taps, tap_eights, blocks, PIXELS, TAPS)
    made = multiply_transposed(lines, psi, COEFFICIENTS, TAPS, PARTS,
                               PRODUCT, PRECISION)
    offsets, mask = coefficient_offsets(
        image, first_pixel, first_atom, num_pixels, num_atoms,
        num_coefficients, alpha_image, alpha_atom, alpha_coefficient,
        alpha_pixel, PIXELS, COEFFICIENTS)
    tl.store(
        output + offsets,
        tl.reshape(made, (PIXELS, EIGHT, COEFFICIENTS)).to(
            output.dtype.element_ty), mask=mask)


@triton.jit
def generate(hidden, matrix, norm, image, first_pixel, first_atom,
             num_pixels, num_hidden, hidden_image, hidden_channel,
             hidden_pixel, COEFFICIENTS: tl.constexpr, HIDDEN: tl.constexpr,
             STEP: tl.constexpr, PIXELS: tl.constexpr, TANH: tl.constexpr,
             NORM: tl.constexpr, PRODUCT: tl.constexpr,
             PRECISION: tl.constexpr):
    """Coefficients (PIXELS, 8 * COEFFICIENTS) of hidden values, float32.

    ``matrix`` is (atom, coefficient; HIDDEN + 8), padded with zeros, with
    the shift in column HIDDEN.
    """
    pixel = first_pixel + tl.arange(0, PIXELS)
    starts = image * hidden_image + pixel.to(tl.int64) * hidden_pixel
    row = first_atom * COEFFICIENTS + tl.arange(0, EIGHT * COEFFICIENTS)
    rows = matrix + row * (HIDDEN + EIGHT)
    made = tl.zeros((PIXELS, EIGHT * COEFFICIENTS), dtype=tl.float32)
    for first in range(0, HIDDEN, STEP):
        h = first + tl.arange(0, STEP)
        known = h < num_hidden
        values = tl.load(
            hidden + (starts[:, None] +
                      (h.to(tl.int64) * hidden_channel)[None, :]),
            mask=(pixel < num_pixels)[:, None] & known[None, :], other=0.)
        if NORM:
            scale = tl.load(norm + h, mask=known, other=0.)
            shift = tl.load(norm + num_hidden + h, mask=known, other=0.)
            values = hyperbolic_tangent(
                values.to(tl.float32) * scale.to(tl.float32)[None, :] +
                shift.to(tl.float32)[None, :])
        weights = tl.load(rows[None, :] + h[:, None])
        made = tl.dot(
            values.to(PRODUCT), weights.to(PRODUCT), made,
            input_precision=PRECISION)
    made += tl.load(rows + HIDDEN).to(tl.float32)[None, :]
    if TANH:
        made = hyperbolic_tangent(made)
    return made


@jit
def compose_generated(hidden, atoms, weight, by_output, by_atom, matrix,
                      norm, psi,  # pointers
                      num_pixels, num_taps, num_atoms, num_hidden,
                      hidden_image, hidden_channel, hidden_pixel, tap_eights,
                      blocks, weight_count, weight_channels, weight_outputs,
                      PIXELS: tl.constexpr, COEFFICIENTS: tl.constexpr,
                      TAPS: tl.constexpr, PARTS: tl.constexpr,
                      PRODUCT: tl.constexpr, PRECISION: tl.constexpr,
                      HIDDEN: tl.constexpr, STEP: tl.constexpr,
                      TANH: tl.constexpr, NORM: tl.constexpr,
                      BY_OUTPUT: tl.constexpr, BY_ATOM: tl.constexpr,
                      WEIGHTS: tl.constexpr):
    """:func:`compose` of coefficients that are made here."""
    image = tl.program_id(1).to(tl.int64)
    first_pixel = tl.program_id(0) * PIXELS
    first_atom = tl.program_id(2) * EIGHT
    if tl.program_id(2) == blocks:
        order_by_last(weight, by_output, by_atom, weight_count, num_atoms,
                      weight_channels, weight_outputs, BY_OUTPUT, BY_ATOM,
                      WEIGHTS)
    else:
        alpha = generate(hidden, matrix, norm, image, first_pixel,
                         first_atom, num_pixels, num_hidden, hidden_image,
                         hidden_channel, hidden_pixel, COEFFICIENTS, HIDDEN,
                         STEP, PIXELS, TANH, NORM, PRODUCT, PRECISION)
        lines = tl.reshape(alpha, (PIXELS * EIGHT, COEFFICIENTS))
        made = multiply_bases(lines, psi, COEFFICIENTS, TAPS, PARTS, PRODUCT,
                              PRECISION)
        store_atoms(made, atoms, image, first_pixel, first_atom, num_pixels,
                    num_taps, tap_eights, blocks, PIXELS, TAPS)


@jit
def decompose_generated(grads, hidden, matrix, output, psi,  # pointers
                        num_pixels, num_taps, num_atoms, num_coefficients,
                        num_hidden, hidden_image, hidden_channel,
                        hidden_pixel, tap_eights, blocks,
                        PIXELS: tl.constexpr, COEFFICIENTS: tl.constexpr,
                        TAPS: tl.constexpr, PARTS: tl.constexpr,
                        PRODUCT: tl.constexpr, PRECISION: tl.constexpr,
                        HIDDEN: tl.constexpr, STEP: tl.constexpr,
                        TANH: tl.constexpr):
    """output[pixel, atom, coefficient]: gradient before the activation."""
    image = tl.program_id(1).to(tl.int64)
    first_pixel = tl.program_id(0) * PIXELS
    first_atom = tl.program_id(2) * EIGHT
    lines = load_atoms(grads, image, first_pixel, first_atom, num_pixels,
                       num_taps, tap_eights, blocks, PIXELS, TAPS)
    made = tl.reshape(
        multiply_transposed(lines, psi, COEFFICIENTS, TAPS, PARTS, PRODUCT,
                            PRECISION), (PIXELS, EIGHT * COEFFICIENTS))
    if TANH:
        alpha = generate(hidden, matrix, matrix, image, first_pixel,
                         first_atom, num_pixels, num_hidden, hidden_image,
                         hidden_channel, hidden_pixel, COEFFICIENTS, HIDDEN,
                         STEP, PIXELS, True, False, PRODUCT, PRECISION)
        made *= 1. - alpha * alpha
    offsets, mask = coefficient_offsets(
        image, first_pixel, first_atom, num_pixels, num_atoms,
        num_coefficients, num_pixels * num_atoms.to(tl.int64) *
        num_coefficients, num_coefficients, 1,
        num_atoms * num_coefficients, PIXELS, COEFFICIENTS)
    tl.store(
        output + offsets,
        tl.reshape(made, (PIXELS, EIGHT, COEFFICIENTS)).to(
            output.dtype.element_ty), mask=mask)

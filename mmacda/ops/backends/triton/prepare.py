"""What precedes a convolution, in one launch: atoms, and the weight in order.

A weight is stored (outputs, channels, atoms); products want its atoms first.
"""
import triton
import triton.language as tl

from .kernels import mix
from .parts import jit


@triton.jit
def order_weight(block, weight, by_output, by_atom, weight_count,
                 weight_atoms, weight_channels, weight_outputs,
                 BY_OUTPUT: tl.constexpr, BY_ATOM: tl.constexpr,
                 WEIGHTS: tl.constexpr):
    """As (output, atom, channel), and as (group, atom, output, channel).

    ``weight_channels`` and ``weight_outputs`` are those of a group.
    """
    index = block * WEIGHTS + tl.arange(0, WEIGHTS)
    mask = index < weight_count
    channel = index % weight_channels
    atom = index // weight_channels % weight_atoms
    output = index // weight_channels // weight_atoms
    value = tl.load(
        weight + (output * weight_channels + channel) * weight_atoms + atom,
        mask=mask, other=0.)
    if BY_OUTPUT:
        tl.store(by_output + index, value, mask=mask)
    if BY_ATOM:
        group = output // weight_outputs
        place = (group * weight_atoms + atom) * weight_outputs + \
            output % weight_outputs
        tl.store(
            by_atom + place * weight_channels + channel, value, mask=mask)


@jit
def order(weight, by_output, by_atom, weight_count, weight_atoms,
          weight_channels, weight_outputs, BY_OUTPUT: tl.constexpr,
          BY_ATOM: tl.constexpr, WEIGHTS: tl.constexpr):
    """:func:`order_weight` alone."""
    order_weight(
        tl.program_id(0), weight, by_output, by_atom, weight_count,
        weight_atoms, weight_channels, weight_outputs, BY_OUTPUT, BY_ATOM,
        WEIGHTS)


@jit
def mix_and_order(inputs, matrix, outputs, weight, by_output, by_atom,
                  num_parts, num_inputs, num_outputs, num_atoms, num_rows,
                  rows, columns, input_part, input_image, input_atom,
                  input_channel, input_row, input_column, output_image,
                  output_atom, output_channel, output_row, output_column,
                  weight_count, weight_channels, weight_outputs,
                  DENSE: tl.constexpr, ROWS: tl.constexpr,
                  OUTPUTS: tl.constexpr, BY_OUTPUT: tl.constexpr,
                  BY_ATOM: tl.constexpr, WEIGHTS: tl.constexpr):
    """``kernels.mix``, and :func:`order_weight` by the last programs."""
    if tl.program_id(1) == tl.num_programs(1) - 1:
        order_weight(
            tl.program_id(0), weight, by_output, by_atom, weight_count,
            num_atoms, weight_channels, weight_outputs, BY_OUTPUT, BY_ATOM,
            WEIGHTS)
    elif tl.program_id(0) * ROWS < num_rows:
        mix(inputs, matrix, outputs, num_parts, num_inputs, num_outputs,
            num_atoms, num_rows, rows, columns, input_part, input_image,
            input_atom, input_channel, input_row, input_column, output_image,
            output_atom, output_channel, output_row, output_column, DENSE,
            ROWS, OUTPUTS)

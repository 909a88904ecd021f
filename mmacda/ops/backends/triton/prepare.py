"""The weight in order, for the products of the coefficient convolution.

A weight is stored (outputs, channels, atoms); products want its atoms first.
"""
import triton
import triton.language as tl

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


@triton.jit
def order_by_last(weight, by_output, by_atom, weight_count, weight_atoms,
                  weight_channels, weight_outputs, BY_OUTPUT: tl.constexpr,
                  BY_ATOM: tl.constexpr, WEIGHTS: tl.constexpr):
    """:func:`order_weight` by the programs of the last layer of a grid."""
    programs = tl.num_programs(0) * tl.num_programs(1)
    first = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    for block in range(first, tl.cdiv(weight_count, WEIGHTS), programs):
        order_weight(block, weight, by_output, by_atom, weight_count,
                     weight_atoms, weight_channels, weight_outputs,
                     BY_OUTPUT, BY_ATOM, WEIGHTS)


@jit
def order(weight, by_output, by_atom, weight_count, weight_atoms,
          weight_channels, weight_outputs, BY_OUTPUT: tl.constexpr,
          BY_ATOM: tl.constexpr, WEIGHTS: tl.constexpr):
    """:func:`order_weight` alone."""
    order_weight(
        tl.program_id(0), weight, by_output, by_atom, weight_count,
        weight_atoms, weight_channels, weight_outputs, BY_OUTPUT, BY_ATOM,
        WEIGHTS)

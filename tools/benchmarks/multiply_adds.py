"""What a layer's multiply-adds alone allow, beside what is measured."""
from typing import NamedTuple

ATOMS, BASES, HIDDEN = 6, 18, 64
SUPPORT = 7 * 7
# Kernel areas of the generator's convolutions.
GENERATORS = {'acda': (9, 9), 'acda-half': (9, 1), 'acda-light': (1, 1)}


class Parts(NamedTuple):
    """Multiply-adds of a layer's parts per pixel, paper's Section 3.

    Attributes:
        first (int): The generator's first convolution.
        second (int): Its second, which gives the coefficients.
        compose (int): Atoms from coefficients and bases.
        filter (int): Every channel by every atom.
        mix (int): Filtered channels to output channels.
    """
    first: int
    second: int
    compose: int
    filter: int
    mix: int


def parts(channels: int, contestant: str) -> Parts:
    """Of a layer of equal widths, scales 3, 5, 7, as it is timed.

    Args:
        channels (int): C.
        contestant (str): Of :data:`GENERATORS`.
    """
    first, second = GENERATORS[contestant]
    coefficients = ATOMS * BASES
    return Parts(first * channels * HIDDEN, second * HIDDEN * coefficients,
                 coefficients * SUPPORT, channels * ATOMS * SUPPORT,
                 channels * ATOMS * channels)


def count(channels: int, contestant: str, measure: str) -> int:
    """Multiply-adds per pixel.

    A product costs in backward as much as in forward for its weights, and as
    much for its input. What is not kept for backward is made again there:
    atoms and filtered channels, and coefficients if they are made on the fly.

    Args:
        channels (int): C.
        contestant (str): Of :data:`GENERATORS`, 'conv3' or 'conv7'.
        measure (str): 'inference', 'training' of a layer by itself, without a
            gradient of its input, or 'training inside' of a network, with it.
    """
    passes = {'inference': 1, 'training': 2, 'training inside': 3}[measure]
    if contestant in ('conv3', 'conv7'):
        return passes * channels**2 * int(contestant[-1])**2
    layer = parts(channels, contestant)
    total = sum(layer)
    if passes > 1:
        again = layer.compose + layer.filter
        if GENERATORS[contestant][1] == 1:
            again += layer.second
        total += again + layer.first + 2 * layer.second + layer.compose \
            + layer.filter + 2 * layer.mix
    if passes > 2:
        total += layer.first + layer.filter
    return total


def ratio(channels: int, contestant: str, rival: str, measure: str) -> float:
    """By multiply-adds: what the measured ratio is if both sides do as many
    a second."""
    return count(channels, contestant, measure) / count(
        channels, rival, measure)

"""Where the pixels of a layer lie in its input and in the image."""
from typing import List, Tuple

from ..layers import ACDAConv
from .capture import CapturedLayer

Pixel = Tuple[int, int]


def tap_positions(layer: ACDAConv, pixel: Pixel) -> Tuple[List[int], ...]:
    """Rows and columns of the layer's input that the taps of a pixel see.

    Args:
        layer (ACDAConv): The layer.
        pixel (Tuple[int, int]): Row and column in the layer's output.

    Returns:
        Tuple[List[int], List[int]]: k rows and k columns; those outside of
        the input are padding.
    """
    half = layer.support // 2
    return tuple([offset + s * position + d * (tap - half)
                  for tap in range(layer.support)]
                 for offset, s, position, d in zip(
                     _offsets(layer), layer.stride, pixel, layer.dilation))


def _offsets(layer: ACDAConv) -> Pixel:
    """Row and column of the input below the centre tap of pixel (0, 0)."""
    return tuple(d * (k // 2) - p for d, k, p in zip(
        layer.dilation, layer.kernel_size, layer.padding))


def image_position(captured: CapturedLayer, pixel: Pixel,
                   image_size: Pixel) -> Tuple[float, float]:
    """Row and column of the image that a pixel of a layer stands for.

    Exact for a layer that sees the image; before deeper ones, each pixel of
    the layer's input counts as an equal share of the image.

    Args:
        captured (CapturedLayer): The layer, with the size of its input.
        pixel (Tuple[int, int]): Row and column in the layer's output.
        image_size (Tuple[int, int]): Height and width of the image.
    """
    layer, _, sizes = captured
    return tuple(
        (s * position + offset + 0.5) * whole / size - 0.5
        for s, position, offset, whole, size in zip(
            layer.stride, pixel, _offsets(layer), image_size, sizes))


def layer_pixel(captured: CapturedLayer, position: Tuple[float, float],
                image_size: Pixel) -> Pixel:
    """The pixel of a layer that is nearest to a row and column of the image.

    Args:
        captured (CapturedLayer): The layer, with the size of its input.
        position (Tuple[float, float]): Row and column in the image.
        image_size (Tuple[int, int]): Height and width of the image.

    Raises:
        ValueError: If the position lies outside of the image.
    """
    if not all(0 <= p < n for p, n in zip(position, image_size)):
        raise ValueError(f'pixel {position[0]} {position[1]} lies outside of '
                         f'the image of {image_size[0]} x {image_size[1]}')
    layer, alpha, sizes = captured
    return tuple(
        min(last - 1, max(0, round(
            ((p + 0.5) * size / whole - 0.5 - offset) / s)))
        for p, whole, size, offset, s, last in zip(
            position, image_size, sizes, _offsets(layer), layer.stride,
            alpha.shape[-2:]))

"""Pictures side by side, and density maps over them."""
from typing import Dict, Optional, Tuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ..io import whole_path

COLORMAP = cv2.COLORMAP_INFERNO  # HEAT of the figures' look
MIN_SIDE, MAX_SIDE = 256, 1024  # of a panel, in pixels
STRIP = 28  # height of the strip with the text, in pixels
BAR = 84  # width of the colour bar, in pixels
JPEG_QUALITY = 92


def overlay_density(image: np.ndarray,
                    density: np.ndarray,
                    peak: Optional[float] = None) -> np.ndarray:
    """Heat over a darkened grey image: the more people, the brighter.

    Brightness goes with the root of the density, so that single people can be
    seen beside a crowd.

    Args:
        image (ndarray): (H, W, 3) uint8 RGB.
        density (ndarray): (H, W), people per pixel.
        peak (float, optional): Density shown in the brightest colour.
            Default: None, the greatest of this map.

    Returns:
        ndarray: (H, W, 3) uint8 RGB.
    """
    if peak is None:
        peak = float(density.max(initial=0))
    heat = np.sqrt(np.clip(density / max(peak, 1e-12), 0, 1))
    colour = cv2.applyColorMap((heat * 255).astype(np.uint8), COLORMAP)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * 0.6
    opacity = heat[..., None]
    return (grey * (1 - opacity) + colour[..., ::-1] * opacity).astype(
        np.uint8)


def draw_densities(image: np.ndarray,
                   densities: Dict[str, np.ndarray],
                   input_title: str = 'input') -> np.ndarray:
    """The image and maps over it, side by side on one scale of colours.

    The panels are reduced or enlarged for display. A bar of the colours with
    the densities that they stand for follows on the right.

    Args:
        image (ndarray): (H, W, 3) uint8 RGB.
        densities (dict[str, ndarray]): Title and map (H, W) in people per
            pixel. The first one sets the scale of colours.
        input_title (str): Over the image itself. Default: 'input'.

    Returns:
        ndarray: uint8 RGB.
    """
    longer = max(image.shape[:2])
    scale = np.clip(longer, MIN_SIDE, MAX_SIDE) / longer
    size = tuple(max(1, round(n * scale)) for n in image.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    image = cv2.resize(image, size, interpolation=method)
    panels, peak = [_titled(image, input_title)], None
    for title, density in densities.items():
        density = cv2.resize(
            density.astype(np.float32), size, interpolation=method)
        if peak is None:
            peak = float(density.max()) or None
        panels.append(_titled(overlay_density(image, density, peak), title))
    return np.concatenate([*panels, _colour_bar(len(panels[0]), peak or 0)],
                          1)


def side_by_side(pictures: Dict[str, np.ndarray], like: str) -> np.ndarray:
    """Pictures with their titles, at the size of one of them.

    Args:
        pictures (dict[str, ndarray]): Title and picture, uint8 RGB.
        like (str): Title of the one whose size all get; pixels are repeated
            or left out for it.

    Returns:
        ndarray: uint8 RGB.
    """
    size = pictures[like].shape[1::-1]
    return np.concatenate([
        _titled(
            cv2.resize(
                np.ascontiguousarray(picture),
                size,
                interpolation=cv2.INTER_NEAREST), title)
        for title, picture in pictures.items()
    ], 1)


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    strip = np.full((STRIP, panel.shape[1], 3), 255, np.uint8)
    room = panel.shape[1] - 8
    _write(strip, title, (4, 20), 15, room)
    return np.concatenate([strip, panel])


def _colour_bar(height: int, peak: float) -> np.ndarray:
    """What the colours mean, as high as the panels with their titles."""
    bar = np.full((height, BAR, 3), 255, np.uint8)
    _write(bar, 'count per', (4, 12), 11, BAR - 8)
    _write(bar, 'pixel', (4, 24), 11, BAR - 8)
    # The root of the density goes with the colour, as in the maps.
    inside = bar[STRIP:]
    top, bottom = 6, len(inside) - 6
    if bottom - top < 16:  # a picture of so few rows leaves no room
        return bar
    heat = np.linspace(1, 0, bottom - top)[:, None]
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), COLORMAP)
    inside[top:bottom, 6:20] = colours[..., ::-1]
    ticks = 4 if len(inside) >= 80 else 1
    for n in range(ticks + 1):
        row = round(bottom - 1 - (bottom - 1 - top) * n / ticks)
        inside[row, 20:24] = 0
        text = f'{peak * (n / ticks)**2:.2g}'
        _write(inside, text, (27, row + 4), 11, BAR - 30)
    return bar


def _write(image: np.ndarray, text: str, position: Tuple[int, int],
           size: int, room: int) -> None:
    """Black text from a point of its base line, smaller where room lacks."""
    from .look import pixel_font  # matplotlib, which importing leaves out
    width = max(1, pixel_font(size).getlength(text))
    drawn = Image.fromarray(image)
    ImageDraw.Draw(drawn).text(
        position, text, (0, 0, 0), anchor='ls',
        font=pixel_font(max(1, int(size * min(1, room / width)))))
    image[:] = np.asarray(drawn)


def save_picture(picture: np.ndarray, path: str) -> None:
    """Write an RGB picture whole or not at all.

    Args:
        picture (ndarray): (H, W, 3) uint8 RGB.
        path (str): Where to, in the format of its extension; missing folders
            are created.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        with whole_path(path) as temporary:
            if not cv2.imwrite(temporary, picture[..., ::-1],
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
                raise OSError(f'{path} could not be written')
    except cv2.error as error:
        raise OSError(f'{path} could not be written: {error}') from error

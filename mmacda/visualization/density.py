"""Pictures of density maps."""
import os
from typing import Dict, Optional

import cv2
import numpy as np

# Readable with every common colour vision deficiency, and in grey.
COLORMAP = cv2.COLORMAP_INFERNO
MIN_SIDE, MAX_SIDE = 256, 1024  # of a panel, in pixels
STRIP = 28  # height of the strip with the text, in pixels


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

    The panels are reduced or enlarged for display.

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
    return np.concatenate(panels, 1)


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    strip = np.full((STRIP, panel.shape[1], 3), 255, np.uint8)
    (width, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
    scale = 0.6 * min(1, (panel.shape[1] - 8) / width)
    cv2.putText(strip, title, (4, 20), cv2.FONT_HERSHEY_SIMPLEX, scale,
                (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, panel])


def save_picture(picture: np.ndarray, path: str) -> None:
    """Write an RGB picture whole or not at all.

    Args:
        picture (ndarray): (H, W, 3) uint8 RGB.
        path (str): Where to, in the format of its extension; missing folders
            are created.

    Raises:
        OSError: If it cannot be written.
    """
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f'.{os.getpid()}.{name}')
    try:
        if not cv2.imwrite(temporary, picture[..., ::-1],
                           [cv2.IMWRITE_JPEG_QUALITY, 85]):
            raise OSError(f'{path} could not be written')
        os.replace(temporary, path)
    except cv2.error as error:
        raise OSError(f'{path} could not be written: {error}') from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)

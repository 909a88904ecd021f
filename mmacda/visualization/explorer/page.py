"""Writes the explorer's page."""
import base64
import html
import json
import os
from pathlib import Path
from string import Template
from typing import Dict

import cv2
import numpy as np

from ...io import whole_file
from ...version import __version__
from ..capture import CapturedLayer
from .data import Storage, choose_storage, encode, layer_data

FOLDER = Path(__file__).parent
SCRIPTS = ('layer.js', 'draw.js', 'panels.js', 'view.js')
MAX_BYTES = 19_000_000
LARGEST_PNG = 1_500_000


def write_explorer(captured: Dict[str, CapturedLayer],
                   image: np.ndarray,
                   path: str,
                   title: str = '',
                   max_channels: int = 64,
                   max_bytes: int = MAX_BYTES) -> int:
    """Write the filter explorer, one page that needs nothing else.

    Args:
        captured (Dict[str, CapturedLayer]): Layers and their coefficients of
            a single image, see
            :class:`mmacda.visualization.CoefficientCapture`.
        image (np.ndarray): RGB, uint8, (H, W, 3), aligned with the network's
            input.
        path (str): Where to; missing folders are created.
        title (str): Shown above. Default: ''.
        max_channels (int): Output, and input, channels of each layer whose
            filters can be composed in the page, the strongest.
            Default: 64.
        max_bytes (int): Limit of the file. What does not fit in 16 bits per
            coefficient is stored in 8, then at fewer pixels; the page says
            how. Default: 19,000,000.

    Returns:
        int: Size of the file in bytes.

    Raises:
        ImportError: If plotly is not installed.
        ValueError: If the image is not RGB or the page cannot be that small.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError('image must be uint8 of shape (H, W, 3), but got '
                         f'{image.dtype} of {image.shape}')
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError('the explorer draws with plotly: pip install '
                          'plotly') from error
    fixed = dict(
        version=__version__,
        title=title,
        image=_data_url(image),
        imageSize=list(image.shape[:2]),
        colours=_colours())
    parts = dict(
        title=html.escape(title or 'mmacda'),
        plotly=get_plotlyjs(),
        style=_read('page.css'),
        script='\n'.join(map(_read, SCRIPTS)))
    # Everything but the coefficients, with room for the layers' numbers.
    alphas = {name: found.coefficients[0] for name, found in captured.items()}
    bare = [
        layer_data(
            name,
            found._replace(coefficients=found.coefficients[..., :1, :1]),
            Storage(), max_channels) for name, found in captured.items()
    ]
    used = len(json.dumps(dict(fixed, layers=bare))) + sum(
        len(part.encode()) for part in parts.values()) + 1_000 * len(bare)
    storage = choose_storage(alphas, max_bytes - used)
    data = dict(fixed, layers=[
        layer_data(name, found, storage[name], max_channels)
        for name, found in captured.items()
    ])
    parts['data'] = json.dumps(data).replace('<', '\\u003c')
    text = Template(_read('page.html')).substitute(parts)
    with whole_file(path, 'w') as file:
        file.write(text)
    return os.path.getsize(path)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding='utf-8')


def _data_url(image: np.ndarray) -> str:
    bgr = np.ascontiguousarray(image[..., ::-1])
    kind, encoded = 'png', cv2.imencode('.png', bgr)[1]
    if encoded.nbytes > LARGEST_PNG:
        kind, encoded = 'jpeg', cv2.imencode(
            '.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    text = base64.b64encode(encoded.tobytes()).decode('ascii')
    return f'data:image/{kind};base64,{text}'


def _colours() -> dict:
    """The figures' own colour maps."""
    from matplotlib import colormaps

    from ..look import AMOUNT, SIGNED
    steps = np.linspace(0, 1, 256)
    energy = np.round(colormaps[AMOUNT](steps)[:, :3] * 255)
    signed = np.round(colormaps[SIGNED](steps[::15])[:, :3] * 255)
    return dict(
        energy=encode(energy.astype(np.uint8)),
        signed=[[position, 'rgb({:.0f},{:.0f},{:.0f})'.format(*colour)]
                for position, colour in zip(
                    np.linspace(0, 1, len(signed)).tolist(), signed)])

"""The one look of our figures: colours, fonts and sizes.

Colours and maps of colours can be told apart with every common colour vision
deficiency; the maps are perceptually even, and keep their order in grey.
"""
from contextlib import contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar, cast

import matplotlib
from cycler import cycler
from matplotlib import style
from PIL import ImageFont

# Of lines, in this order (Okabe and Ito), with their markers and dashes.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9',
           '#000000')
MARKERS = 'osD^v*P'
DASHES = ('-', '--', '-.', ':')
# Amounts; what lights up on a dark ground, or over a photograph; signed
# values with zero in the middle, and the ends of that; photographs.
AMOUNT, HEAT, SIGNED, GREY = 'viridis', 'inferno', 'PuOr_r', 'gray'
NEGATIVE, POSITIVE = '#542788', '#b35806'
OUTSIDE = '#e8ebef'  # of an image
FONT = 'DejaVu Sans'
SMALL = 8  # points: ticks, and notes below an axis

LOOK = {
    'font.family': 'sans-serif',
    'font.sans-serif': [FONT],
    'font.size': 9,
    'figure.titlesize': 10,
    'axes.titlesize': 9,
    'axes.labelsize': 9,
    'axes.linewidth': 0.8,
    'axes.prop_cycle': cycler(color=COLOURS),
    'xtick.labelsize': SMALL,
    'ytick.labelsize': SMALL,
    'legend.fontsize': SMALL,
    'grid.alpha': 0.3,
    'lines.markersize': 5,
    'image.cmap': AMOUNT,
    'image.interpolation': 'nearest',
}

Draw = TypeVar('Draw', bound=Callable[..., Any])


@contextmanager
def one_look() -> Iterator[None]:
    """Whatever the user's matplotlibrc says, for what is drawn inside."""
    with style.context(['default', LOOK]):
        yield


def in_one_look(draw: Draw) -> Draw:
    """Decorate a function that draws a figure."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        with one_look():
            return draw(*args, **kwargs)

    return cast(Draw, drawn)


@lru_cache(maxsize=None)
def pixel_font(size: int) -> Any:
    """The font of the figures for text on pixels, which Pillow draws.

    Args:
        size (int): In pixels.
    """
    folder = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
    return ImageFont.truetype(str(folder / f'{FONT.replace(" ", "")}.ttf'),
                              size)

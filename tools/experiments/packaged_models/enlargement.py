"""The enlarger beside OpenCV's interpolation."""
from functools import partial
from typing import Callable, Dict

import cv2
import numpy as np
from PIL import Image
from rich.table import Table

from mmacda.apis import RestorationInferencer
from mmacda.evaluation.image_quality import luma, psnr, ssim
from tools.experiments.evidence.tables import markdown

from .restoration import read_photographs

EDGE = 2  # pixels that no enlargement is judged by


def by_pillow(way: Image.Resampling) -> Callable:
    return lambda image: np.asarray(
        Image.fromarray(image).resize(
            (image.shape[1] // 2, image.shape[0] // 2), way))


def by_opencv(way: int, factor: float) -> Callable:
    return partial(
        cv2.resize, dsize=None, fx=factor, fy=factor, interpolation=way)


def blurred(image: np.ndarray) -> np.ndarray:
    return MEAN(cv2.GaussianBlur(image, (0, 0), 1.))


def compressed(image: np.ndarray) -> np.ndarray:
    _, file = cv2.imencode('.jpg', MEAN(image), (cv2.IMWRITE_JPEG_QUALITY, 90))
    return cv2.imdecode(file, cv2.IMREAD_COLOR)


MEAN = by_pillow(Image.Resampling.BOX)
# The first two are those that the enlarger is trained with.
REDUCTIONS: Dict[str, Callable] = {
    'the mean of 2 x 2 pixels': MEAN,
    'bicubic interpolation against aliasing':
    by_pillow(Image.Resampling.BICUBIC),
    'Lanczos against aliasing (not trained)':
    by_pillow(Image.Resampling.LANCZOS),
    'bicubic interpolation that aliases (not trained)':
    by_opencv(cv2.INTER_CUBIC, .5),
    'blur of sigma 1, then the mean (not trained)': blurred,
    'the mean, then JPEG of quality 90 (not trained)': compressed,
}
ENLARGEMENTS: Dict[str, Callable] = {
    'bicubic': by_opencv(cv2.INTER_CUBIC, 2),
    'Lanczos': by_opencv(cv2.INTER_LANCZOS4, 2),
}


def measure(enlarged: np.ndarray, image: np.ndarray) -> np.ndarray:
    """PSNR and SSIM of Y, without the edge."""
    pair = [luma(np.ascontiguousarray(part))[EDGE:-EDGE, EDGE:-EDGE]
            for part in (enlarged, image)]
    return np.array([psnr(*pair), ssim(*pair)])


def measure_enlargement(enlarge_: Callable,
                        photographs: Dict[str, np.ndarray]) -> Dict:
    """PSNR and SSIM of every picture, by interpolation and by the network.

    Returns:
        Dict[str, np.ndarray]: For each reduction, (pictures, 3 ways, 2).
    """
    even = [image[:image.shape[0] // 2 * 2, :image.shape[1] // 2 * 2]
            for image in photographs.values()]
    ways = (*ENLARGEMENTS.values(), enlarge_)
    return {
        name: np.array([[measure(way(small), image) for way in ways]
                        for small, image in zip(map(reduce_, even), even)])
        for name, reduce_ in REDUCTIONS.items()
    }


def enlarge(data: str) -> str:
    """The enlarger's tables."""
    photographs = read_photographs(data)
    name = 'photo-enlarger-x2'
    figures = measure_enlargement(
        RestorationInferencer(name, device='cpu'), photographs)
    ways = (*ENLARGEMENTS, name, 'better by')
    means = Table('made smaller by', *ways, 'least of a picture')
    for reduction, values in figures.items():
        gain = _gain(values)
        means.add_row(reduction, *map(_both, values.mean(0)),
                      f'{gain.mean():+.2f}', f'{gain.min():+.2f}')
    first = next(iter(figures))
    single = Table(first, *ways)
    for photograph, row, gain in zip(photographs, figures[first],
                                     _gain(figures[first])):
        single.add_row(photograph, *map(_both, row), f'{gain:+.2f}')
    return (f'{markdown(means)}\n\n{markdown(single)}\n\nPSNR in dB and SSIM, '
            'of Y (BT.601) without the outer '
            f'{EDGE} pixels; in the first table their means over the '
            f'{len(photographs)} photographs of the second, which were not '
            "trained with. Bicubic and Lanczos are OpenCV's INTER_CUBIC and "
            'INTER_LANCZOS4; better by, in dB, than whichever of the two '
            'suits the picture better.')


def _gain(figures: np.ndarray) -> np.ndarray:
    return figures[:, -1, 0] - figures[:, :-1, 0].max(1)


def _both(figures: np.ndarray) -> str:
    return f'{figures[0]:.2f} / {figures[1]:.4f}'

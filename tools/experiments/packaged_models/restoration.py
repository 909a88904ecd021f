"""The denoiser beside OpenCV's."""
import os.path as osp
from glob import escape, glob
from typing import Any, Callable, Dict, Tuple

import cv2
import numpy as np
from rich.table import Table

from mmacda.apis import RestorationInferencer
from mmacda.datasets.degradation import add_camera_noise
from mmacda.io import read_picture
from tools.experiments.evidence.tables import markdown

FOLDER = osp.join('clean_photographs', 'test')
SIDE = 192  # of the middle of each picture, in which noise is removed
STRENGTHS = (4, 6, 9, 13, 18, 25, 35)  # of OpenCV's filter


def gaussian(sigma: float) -> Callable:
    return lambda image, rng: image + sigma * rng.standard_normal(image.shape)


def camera(iso: int) -> Callable:
    return lambda image, rng: 255 * add_camera_noise(image / 255, iso, rng)


def photons(white: int) -> Callable:
    return lambda image, rng: rng.poisson(image / 255 * white) / white * 255


def speckle(sigma: float) -> Callable:
    return lambda image, rng: image * (
        1 + sigma * rng.standard_normal(image.shape))


# The first five of kinds that the denoiser is trained with, the others not.
NOISES: Dict[str, Callable] = {
    'Gaussian, 10 of 255': gaussian(10),
    'Gaussian, 25 of 255': gaussian(25),
    'Gaussian, 50 of 255': gaussian(50),
    'camera at ISO 1600': camera(1600),
    'camera at ISO 6400': camera(6400),
    'photons, 60 at white (not trained)': photons(60),
    'speckle, 0.2 of the light (not trained)': speckle(.2),
}


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """In dB, over the three channels."""
    return cv2.PSNR(image, clean)


def read_photographs(data: str) -> Dict[str, np.ndarray]:
    """Test photographs by name, BGR.

    Raises:
        FileNotFoundError: If there are none.
    """
    folder = osp.join(data, FOLDER)
    paths = sorted(glob(osp.join(escape(folder), '*.png')))
    if not paths:
        raise FileNotFoundError(
            f'{folder} holds no picture: python '
            'tools/dataset_converters/clean_photographs.py --help says how to '
            'make them')
    return {
        osp.splitext(osp.basename(path))[0]:
        read_picture(path, 3, np.uint8, 'bgr')
        for path in paths
    }


def middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, side - SIDE) // 2 for side in image.shape[:2])
    return np.ascontiguousarray(
        image[top:top + SIDE, left:left + SIDE])


def spoil(image: np.ndarray, noise: Callable, *key: int) -> np.ndarray:
    """A noisy picture, rounded and clipped as a file holds it."""
    noisy = noise(image, np.random.default_rng(key))
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def best_of_opencv(noisy: np.ndarray, clean: np.ndarray) -> float:
    """PSNR at the strength that suits this very picture best."""
    return max(
        psnr(
            cv2.fastNlMeansDenoisingColored(
                noisy, None, h, h, templateWindowSize=7, searchWindowSize=21),
            clean) for h in STRENGTHS)


def measure_denoising(restore: Callable, clean: Dict[str, np.ndarray],
                      opencv: Callable = best_of_opencv) -> Dict[str, Any]:
    """PSNR of every picture before, by OpenCV and by the network.

    Returns:
        Dict[str, np.ndarray]: For each noise, (pictures, 3).
    """
    return {
        name: np.array([_three(restore, opencv, image, noise, n, k)
                        for k, image in enumerate(clean.values())])
        for n, (name, noise) in enumerate(NOISES.items())
    }


def _three(restore: Callable, opencv: Callable, image: np.ndarray,
           noise: Callable, *key: int) -> Tuple[float, float, float]:
    noisy = spoil(image, noise, *key)
    return (psnr(noisy, image), opencv(noisy, image),
            psnr(restore(noisy), image))


def denoise(data: str) -> str:
    """The denoiser's table."""
    clean = {name: middle(image)
             for name, image in read_photographs(data).items()}
    table = Table('noise', 'noisy', 'OpenCV, best strength', 'photo-denoiser',
                  'better by', 'least of a picture')
    gains = []
    for name, figures in measure_denoising(
            RestorationInferencer('photo-denoiser', device='cpu'),
            clean).items():
        gain = figures[:, 2] - figures[:, 1]
        gains.append(gain)
        table.add_row(name, *(f'{value:.2f}' for value in figures.mean(0)),
                      f'{gain.mean():+.2f}', f'{gain.min():+.2f}')
    gains = np.array(gains)
    table.add_row('all', '', '', '', f'{gains.mean():+.2f}',
                  f'{gains.min():+.2f}')
    return (f'{markdown(table)}\n\nPSNR in dB, mean over the middle '
            f'{SIDE} x {SIDE} pixels of {len(clean)} photographs that were '
            f'not trained with: {", ".join(clean)}. OpenCV is '
            'fastNlMeansDenoisingColored with h = hColor of '
            f'{", ".join(map(str, STRENGTHS))}, whichever gives this very '
            'picture the highest PSNR.')

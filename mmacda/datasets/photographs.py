"""Photographs that scikit-image ships, degraded: restoration anywhere."""
import json
import os
import os.path as osp
from importlib.util import find_spec
from typing import Any

import mmcv
import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..io import read_picture, whole_folder
from .degradation import LENSES, add_camera_noise, enlarge, reduce

# No picture, and no scene, is in both. What is blurred, noisy or drawn among
# scikit-image's pictures is in neither; grey ones get three equal channels.
SPLITS = dict(
    train=('astronaut.png', 'brick.png', 'coins.png', 'grass.png',
           'gravel.png', 'ihc.png', 'motorcycle_left.png', 'rocket.jpg'),
    test=('camera.png', 'chelsea.png', 'coffee.png'))
ISOS = (1600, 3200, 6400)
SCALES = (2, 3, 4)
LAYOUTS = ('sidd', 'realsr', 'realsr_v3')
VERSION = 1  # of what is written: raise it with every change of the content
MARKER = 'photographs.json'


def read_photograph(name: str) -> np.ndarray:
    """One of scikit-image's own files; nothing is downloaded.

    Args:
        name (str): File name, such as 'astronaut.png'.

    Returns:
        np.ndarray: uint8 RGB of shape (H, W, 3).

    Raises:
        ImportError: If scikit-image is not installed.
        FileNotFoundError: If it lacks the file.
    """
    spec = find_spec('skimage')
    if spec is None:
        raise ImportError('the photographs come with scikit-image: '
                          'pip install scikit-image')
    path = osp.join(osp.dirname(spec.origin), 'data', name)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'scikit-image has no {path}: 0.18 to 0.26 ship it')
    return read_picture(path, 3, np.uint8)


def write_photographs(root: str, layout: str, seed: int = 0) -> str:
    """Write degraded photographs as SIDD's or RealSR's archives lie on disk.

    They are a stand-in: the degradations are computed, see
    :mod:`mmacda.datasets.degradation`. The layouts are folders of ``root``:

    - 'sidd': ``{train,test}/Data/<instance>/<n>_{GT,NOISY}_SRGB_010.PNG``,
      with spatially varying, signal-dependent noise of three sensitivities.
    - 'realsr': ``{Canon,Nikon}/{Train,Test}/{2,3,4}/<camera>_<n>_HR.png`` and
      ``_LR<scale>.png``, with spatially varying blur and slight noise; LR is
      enlarged to the size of HR, as in RealSR V1 and V2.
    - 'realsr_v3': the same, LR ``scale`` times smaller, as in V3.

    The content depends on the seed alone. The folder appears at once when it
    is complete, so that several processes may call this at the same time;
    where it exists already, nothing is done.

    Args:
        root (str): Folder of the layouts.
        layout (str): 'sidd', 'realsr' or 'realsr_v3'.
        seed (int): Seed of the degradations. Default: 0.

    Returns:
        str: The folder of the layout.

    Raises:
        ValueError: If ``layout`` is unknown.
        FileExistsError: If its folder holds something else.
    """
    if layout not in LAYOUTS:
        raise ValueError(f'layout must be one of {LAYOUTS}, but got '
                         f'{layout!r}')
    folder = osp.join(root, layout)
    settings = dict(version=VERSION, layout=layout, seed=seed)
    if _is_written(folder, settings):
        return folder
    print_log(f'Writing degraded photographs to {folder}', logger='current')
    with whole_folder(folder) as temporary:
        for split, names in SPLITS.items():
            for number, name in enumerate(names, 1):
                image = read_photograph(name)
                if layout == 'sidd':
                    _write_noise(temporary, split, number, image, seed)
                else:
                    _write_blur(temporary, split, number, image, seed,
                                layout == 'realsr')
        with open(
                osp.join(temporary, MARKER), 'w', encoding='utf-8') as file:
            json.dump(settings, file)
    _is_written(folder, settings)  # or another process wrote something else
    return folder


def _is_written(folder: str, settings: dict) -> bool:
    if not osp.isdir(folder) or not os.listdir(folder):
        return False
    try:
        with open(osp.join(folder, MARKER), encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = None
    if found != settings:
        raise FileExistsError(
            f'{folder} holds {found or "something else"}, not the photographs '
            f'of {settings}: choose another folder or remove it')
    return True


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _quantize(image: np.ndarray) -> np.ndarray:
    return np.round(image * 255).astype(np.uint8)


def _write(path: str, image: np.ndarray) -> None:
    if not mmcv.imwrite(image[..., ::-1], path):
        raise OSError(f'cannot write {path}')


def _write_noise(folder: str, split: str, number: int, image: np.ndarray,
                 seed: int) -> None:
    """A photograph at every sensitivity, each an instance of SIDD's."""
    offset = 0 if split == 'train' else len(SPLITS['train'])
    for index, iso in enumerate(ISOS):
        scene = offset + number
        instance = (scene - 1) * len(ISOS) + index + 1
        noisy = add_camera_noise(image / 255, iso, _rng(seed, 0, scene, iso))
        stem = osp.join(
            folder, split, 'Data',
            f'{instance:04}_{scene:03}_GP_{iso:05}_00100_5500_N',
            f'{instance:04}_{{}}_SRGB_010.PNG')
        _write(stem.format('GT'), image)
        _write(stem.format('NOISY'), _quantize(noisy))


def _write_blur(folder: str, split: str, number: int, image: np.ndarray,
                seed: int, same_size: bool) -> None:
    """A photograph through both lenses at every scale."""
    common = int(np.lcm.reduce(SCALES))  # whole pixels at each scale
    height, width = (side // common * common for side in image.shape[:2])
    image = image[:height, :width]
    for index, (camera, lens) in enumerate(LENSES.items()):
        for scale in SCALES:
            rng = _rng(seed, 1, list(SPLITS).index(split), number, index,
                       scale)
            low = _quantize(reduce(image / 255, scale, lens, rng))
            if same_size:
                low = enlarge(low, scale)
            stem = osp.join(folder, camera, split.capitalize(), str(scale),
                            f'{camera}_{number:03}_')
            _write(f'{stem}HR.png', image)
            _write(f'{stem}LR{scale}.png', low)


@DATASETS.register_module()
def Photographs(dataset: dict,
                layout: str,
                data_root: str = 'data/photographs',
                seed: int = 0,
                **kwargs: Any) -> Any:
    """Any dataset, on degraded photographs that are written on first use.

    See :func:`write_photographs`.

    Args:
        dataset (dict): The dataset that reads the pairs, such as mmagic's
            ``BasicImageDataset``; its ``data_root`` becomes the folder of
            the layout.
        layout (str): 'sidd', 'realsr' or 'realsr_v3'.
        data_root (str): Folder of the layouts, in which the one is written
            if it does not exist. Default: 'data/photographs'.
        seed (int): Seed of the degradations. Default: 0.
        **kwargs: More keys of ``dataset``.

    Returns:
        Dataset: The inner dataset.

    Raises:
        ValueError: If ``layout`` is unknown.
        FileExistsError: If its folder holds something else.
    """
    folder = write_photographs(data_root, layout, seed)
    return DATASETS.build({**dataset, 'data_root': folder, **kwargs})

"""What SIDD's benchmark for sRGB images takes."""
import base64
import csv
import os
from typing import Optional

import numpy as np

from ..io import whole_file

FORMATS = ('.mat', '.csv')


def write_submission(blocks: np.ndarray,
                     path: str,
                     seconds_per_megapixel: float = 0.,
                     information: Optional[dict] = None) -> None:
    """Write denoised blocks, whole or not at all.

    '.mat' is the form of the benchmark's own code: a cell array
    ``DenoisedBlocksSrgb`` (images x blocks), ``TimeMPSrgb`` and
    ``OptionalData``. '.csv' is that of its Kaggle page: columns ID, which
    counts the blocks image by image from 0, and BLOCK, their bytes (rows,
    columns, RGB) in base64.

    Args:
        blocks (np.ndarray): Denoised, uint8 of shape (images, blocks per
            image, height, width, 3), RGB.
        path (str): File to write; its ending chooses the form.
        seconds_per_megapixel (float): For the .mat form. Default: 0.
        information (dict, optional): Texts for ``OptionalData``, such as
            MethodName, Authors, PaperTitle, Venue. Default: None.

    Raises:
        TypeError: If the path or the blocks are of another type.
        ValueError: If the ending or the blocks are not of this form.
    """
    ending = check_format(path)
    if not isinstance(blocks, np.ndarray):
        raise TypeError('blocks must be an array, but got '
                        f'{type(blocks).__name__}')
    if blocks.dtype != np.uint8 or blocks.ndim != 5 or blocks.shape[-1] != 3:
        raise ValueError('blocks must be uint8 of shape (images, blocks, '
                         f'height, width, 3), but got {blocks.dtype} of '
                         f'shape {blocks.shape}')
    if ending == '.mat':
        from scipy.io import savemat
        cells = np.empty(blocks.shape[:2], object)
        for index in np.ndindex(*cells.shape):
            cells[index] = blocks[index]
        content = dict(
            DenoisedBlocksSrgb=cells,
            TimeMPSrgb=float(seconds_per_megapixel),
            OptionalData=information or dict(MethodName=''))
        with whole_file(path) as file:
            savemat(file, content, do_compression=True)
    else:
        with whole_file(path, 'w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(('ID', 'BLOCK'))
            flat = blocks.reshape(-1, *blocks.shape[2:])
            for index, block in enumerate(flat):
                text = base64.b64encode(block.tobytes()).decode('ascii')
                writer.writerow((index, text))


def check_format(path: str) -> str:
    """The ending of a submission's file.

    Raises:
        TypeError: If it is no path.
        ValueError: If there is no such form.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f'a path must be text, but got {path!r}')
    ending = os.path.splitext(path)[1].lower()
    if ending not in FORMATS:
        raise ValueError(f'a submission ends in {" or ".join(FORMATS)}, but '
                         f'got {path!r}')
    return ending

"""Images that users hand in: paths, folders and arrays."""
import os
import os.path as osp
from typing import List, Sequence, Tuple, Union

import numpy as np
from PIL import Image, ImageOps

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
Source = Union[str, os.PathLike, np.ndarray]


def list_sources(
        inputs: Union[Source, Sequence[Source]]) -> List[Tuple[str, Source]]:
    """Names and sources of single images.

    Args:
        inputs: A path, a folder, an array, or a sequence of them. Of a folder
            the images in it are taken, by name, without its subfolders.

    Returns:
        list[tuple[str, Source]]: The path, or 'image_<n>' for the n-th input
        if it is an array; and the path or array.

    Raises:
        FileNotFoundError: If a path does not exist.
        TypeError: If an input is something else.
        ValueError: If a folder holds no image, or there is no input.
    """
    if isinstance(inputs, (str, os.PathLike, np.ndarray)):
        inputs = [inputs]
    elif not isinstance(inputs, (list, tuple)):
        raise TypeError(
            'expected a path, a folder, a NumPy array or a list of them, but '
            f'got {type(inputs).__name__}')
    sources: List[Tuple[str, Source]] = []
    for index, item in enumerate(inputs):
        if isinstance(item, np.ndarray):
            sources.append((f'image_{index}', item))
        elif not isinstance(item, (str, os.PathLike)):
            raise TypeError(f'input {index} must be a path, a folder or a '
                            f'NumPy array, but is {type(item).__name__}')
        elif osp.isdir(item):
            sources += [(path, path) for path in _images_in(item)]
        elif osp.isfile(item):
            sources.append((os.fspath(item), item))
        else:
            raise FileNotFoundError(f'{item} does not exist')
    if not sources:
        raise ValueError('there is no image to count: the list is empty')
    return sources


def _images_in(folder: Union[str, os.PathLike]) -> List[str]:
    names = sorted(name for name in os.listdir(folder)
                   if name.lower().endswith(EXTENSIONS))
    if not names:
        raise ValueError(f'folder {folder} holds no image: looked for '
                         f'{", ".join(EXTENSIONS)}')
    return [osp.join(folder, name) for name in names]


def read_image(source: Source) -> np.ndarray:
    """An image as the networks of this package take it.

    Grey images get three channels, an alpha channel is dropped, 16 bits
    become 8, and the orientation that a camera wrote into a file is applied.

    Args:
        source: A path; or an array (H, W), (H, W, 1), BGR (H, W, 3) or BGRA
            (H, W, 4), of uint8 or uint16.

    Returns:
        ndarray: (H, W, 3) uint8, BGR.

    Raises:
        TypeError: If an array has another dtype.
        ValueError: If a file is not an image or is truncated, or an array
            has another shape.
    """
    if isinstance(source, np.ndarray):
        return _to_bgr(source, 'an array')
    try:
        with Image.open(source) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith('I'):  # 16 bits; Pillow cuts off at 255
                return _to_bgr(np.asarray(image).astype(np.uint16), source)
            if image.mode == 'F':
                raise ValueError('its pixels are floating-point numbers')
            return np.asarray(image.convert('RGB'))[..., ::-1].copy()
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'{source} cannot be read as an image: {error}'
                         ) from error


def _to_bgr(array: np.ndarray, name: Source) -> np.ndarray:
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8:
        raise TypeError(f'{name} must be uint8 in 0 ... 255, or uint16, but '
                        f'is {array.dtype}: scale and convert it')
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise ValueError(f'{name} must have the shape (H, W), (H, W, 1), '
                         f'(H, W, 3) or (H, W, 4), but has {array.shape}')
    if array.shape[2] == 1:
        return np.repeat(array, 3, 2)
    return array[..., :3].copy()

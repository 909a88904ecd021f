"""Images that users hand in: paths, folders and arrays."""
import os
import os.path as osp
import warnings
from typing import Any, List, Sequence, Tuple, Union

import numpy as np

from ..io.pictures import EXTENSIONS, read_picture, to_channels, to_dtype

Source = Union[str, os.PathLike, np.ndarray]


def list_sources(
        inputs: Union[Source, Sequence[Source]]) -> List[Tuple[str, Source]]:
    """Names and sources of single images.

    Args:
        inputs: A path, a folder, an array, or a sequence of them. Of a folder
            the images in it are taken, by name, without its subfolders and
            without files that begin with a dot; a warning says how many
            others there are.

    Returns:
        list[tuple[str, Source]]: The path, or 'image_<n>' for the n-th input
        if it is an array; and the path or array.

    Raises:
        FileNotFoundError: If a path does not exist.
        TypeError: If an input is something else.
        ValueError: If a folder holds no image, a path is a pipe or a device,
            or there is no input.
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
        elif osp.exists(item):
            raise ValueError(f'{item} is a pipe or a device, not a file')
        else:
            raise FileNotFoundError(f'{item} does not exist')
    if not sources:
        raise ValueError('there is no image to read: the list is empty')
    return sources


def _images_in(folder: Union[str, os.PathLike]) -> List[str]:
    """Pictures by name; what macOS and others hide is none."""
    files = sorted(name for name in os.listdir(folder)
                   if not name.startswith('.')
                   and osp.isfile(osp.join(folder, name)))
    names = [name for name in files if name.lower().endswith(EXTENSIONS)]
    others = [name for name in files if name not in set(names)]
    if not names:
        found = f', but found {len(others)} others' if others else ''
        raise ValueError(f'folder {folder} holds no image: looked for '
                         f'{", ".join(EXTENSIONS)}{found}')
    if others:
        warnings.warn(
            f'{len(others)} of {len(files)} files in {folder} are left out '
            f'by their ending, {others[0]} the first: name one to have it '
            'read')
    return [osp.join(folder, name) for name in names]


def read_image(source: Source, **options: Any) -> np.ndarray:
    """An image as the networks of this package take it.

    Grey images get three channels, an alpha channel is dropped, 16 bits
    become 8, and the orientation that a camera wrote into a file is applied.

    Args:
        source: A path; or an array (H, W), (H, W, 1), BGR (H, W, 3) or BGRA
            (H, W, 4), of uint8 or uint16.
        **options: Of :func:`mmacda.io.load_picture`, for paths.

    Returns:
        ndarray: (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If an array has another dtype.
        ValueError: If a file is not an image or is truncated, or an array
            has another shape.
    """
    if not isinstance(source, np.ndarray):
        return read_picture(source, 3, np.uint8, 'bgr', **options)
    array = check_array(source)
    array = array.reshape(*array.shape[:2], -1)
    return np.ascontiguousarray(to_channels(to_dtype(array, np.uint8), 3))


def check_array(array: np.ndarray) -> np.ndarray:
    """Refuse what is no grey, BGR or BGRA image of 8 or 16 bits.

    Raises:
        TypeError: If it is of another type.
        ValueError: If it has another shape.
    """
    given = getattr(array, 'dtype', type(array).__name__)
    if not isinstance(array, np.ndarray) or given not in (np.uint8,
                                                          np.uint16):
        raise TypeError('supported are arrays of 8 or 16 bits (uint8, '
                        f'uint16), but got {given}: scale and convert it')
    if array.ndim not in (2, 3) or not array.size or (
            array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ValueError(
            'supported are grey, BGR and BGRA images of shape (H, W) or '
            f'(H, W, C), but got {array.shape}')
    return array

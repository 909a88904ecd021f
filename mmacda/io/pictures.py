"""The one reader and writer of pictures, for datasets, models and tools.

Arrays are (H, W, C) with C of 1 (grey), 3 or 4 (colours, then alpha). Colours
are in the order RGB unless ``order='bgr'`` says otherwise. White is 255 of
uint8, 65535 of uint16 and 1 of float32.
"""
import os
import os.path as osp
import warnings
from typing import Any, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np
from mmengine.fileio import get

from . import decoding

Path = Union[str, 'os.PathLike[str]']
# What is taken of a folder. A picture given by name may have any ending.
EXTENSIONS = ('.avif', '.bmp', '.dib', '.gif', '.j2k', '.jfif', '.jp2',
              '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.pnm', '.ppm',
              '.tga', '.tif', '.tiff', '.webp')
ORDERS = ('rgb', 'bgr')
WHITE = {np.dtype('uint8'): 255, np.dtype('uint16'): 65535}
# No photograph of 16 bits is this dark: its white is another.
DARK = 4095
SLACK = 0.01  # of white


class Picture(NamedTuple):
    """A picture that was read.

    Attributes:
        pixels (np.ndarray): See :func:`read_picture`.
        icc_profile (bytes, optional): The profile of its colours, for
            :func:`mmacda.io.write_picture`.
    """
    pixels: np.ndarray
    icc_profile: Optional[bytes]


def read_picture(path: Path,
                 channels: Optional[int] = None,
                 dtype: Any = None,
                 order: str = 'rgb',
                 **options: Any) -> np.ndarray:
    """Read a picture of any format, depth and kind of colours.

    Grey of 1 to 16 bits, colours and alpha are read as they are; palettes,
    CMYK and other colours become RGB; of an animation or of several pages the
    first is taken. AVIF and JPEG 2000 of 10 or 12 bits come as 8.

    Args:
        path (str | PathLike): File, or an address that MMEngine can read.
        channels (int, optional): 1, grey; 3, colours without alpha. Default:
            None, what the file has, 1, 3 or 4.
        dtype (dtype, optional): uint8, uint16 or float32. Default: None,
            uint8 or uint16 as in the file.
        order (str): 'rgb' or 'bgr'. Default: 'rgb'.
        **options: Of :func:`load_picture`.

    Returns:
        np.ndarray: (H, W, C), contiguous.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, is truncated, or of a kind that is
            not held, such as integers of 32 bits.
    """
    return load_picture(path, channels, dtype, order, **options).pixels


def load_picture(path: Path,
                 channels: Optional[int] = None,
                 dtype: Any = None,
                 order: str = 'rgb',
                 upright: bool = True,
                 white: Optional[int] = None,
                 max_pixels: Optional[int] = None,
                 raw_floats: bool = False) -> Picture:
    """Read a picture and its colour profile, see :func:`read_picture`.

    Args:
        path (str | PathLike): File.
        channels (int, optional): See :func:`read_picture`.
        dtype (dtype, optional): See :func:`read_picture`.
        order (str): See :func:`read_picture`.
        upright (bool): Turn it as the camera's mark says, in every format.
            Default: True.
        white (int, optional): White of a 16-bit file that holds fewer bits,
            such as 4095 for 12. Default: None, which is 65535 unless the
            file says another number of bits; a file that looks like fewer is
            warned of.
        max_pixels (int, optional): Refuse larger pictures. Default: None,
            Pillow's limit of 179 million.
        raw_floats (bool): Hand floating-point pixels out as they are, as
            float32. Default: False: 0 ... 1, or 0 ... 255 where one is
            above 1, are black to white, and others are refused.

    Returns:
        Picture: Pixels and profile.
    """
    if order not in ORDERS:
        raise ValueError(f'order must be one of {ORDERS}, but got {order!r}')
    stored = decode_picture(read_content(path), path, max_pixels)
    pixels = decoding.turn(stored.pixels, stored.orientation) \
        if upright else stored.pixels
    if pixels.dtype == np.uint16:
        pixels = _from_black_to_white(pixels, white, path)
    elif pixels.dtype == np.float32 and not raw_floats:
        pixels = from_zero_to_one(pixels, path)
        dtype = np.uint16 if dtype is None else dtype
    if dtype is not None and not (raw_floats and pixels.dtype == np.float32):
        pixels = to_dtype(pixels, dtype)
    pixels = to_channels(pixels, channels)
    if order == 'bgr' and pixels.shape[2] >= 3:
        pixels = pixels[..., [2, 1, 0, 3][:pixels.shape[2]]]
    return Picture(np.require(pixels, requirements=('C', 'W')),
                   stored.icc_profile)


def read_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        FileNotFoundError: If there is none, by its name.
        IsADirectoryError: If it is a folder.
        ValueError: If it is a pipe or a device, which may never end.
    """
    if osp.exists(path) and not osp.isfile(path) and not osp.isdir(path):
        raise ValueError(f'{path} is a pipe or a device, not a file')
    try:
        return get(os.fspath(path))
    except FileNotFoundError:
        raise FileNotFoundError(f'{path} does not exist') from None
    except IsADirectoryError:
        raise IsADirectoryError(f'{path} is a folder, not a picture') from None


def decode_picture(content: bytes, name: Path,
                   max_pixels: Optional[int] = None) -> decoding.Stored:
    """A picture as it is stored, with errors that say its name."""
    try:
        return decoding.decode(content, max_pixels)
    except decoding.Unfit as error:
        raise ValueError(
            f'{name} cannot be read as a picture: {error}') from error


def picture_size(path: Path,
                 max_pixels: Optional[int] = None) -> Tuple[int, int]:
    """Width and height as a picture is stored, from its header.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, or too large.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist')
    try:
        with open(path, 'rb') as file, decoding.open_header(
                file, max_pixels) as image:
            return decoding.stored_size(image)
    except Exception:  # floating-point TIFF, or the reason why not
        stored = decode_picture(read_content(path), path, max_pixels)
        return stored.pixels.shape[1::-1]


def to_dtype(pixels: np.ndarray, dtype: Any) -> np.ndarray:
    """uint8, uint16 or float32 from each other, white to white.

    16 bits become 8 by their upper byte, as in Pillow and OpenCV.
    """
    dtype = np.dtype(dtype)
    if dtype not in (*WHITE, np.dtype('float32')):
        raise ValueError('dtype must be uint8, uint16 or float32, but got '
                         f'{dtype}')
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype.kind == 'f':
        return np.round(pixels * WHITE[dtype]).astype(dtype)
    if dtype.kind == 'f':
        return pixels.astype(np.float32) / WHITE[pixels.dtype]
    if dtype == np.uint8:
        return (pixels >> 8).astype(np.uint8)
    return pixels.astype(np.uint16) * 257


def to_channels(pixels: np.ndarray, channels: Optional[int]) -> np.ndarray:
    """RGB(A) or grey of (H, W, C) as grey (1) or colours without alpha (3)."""
    if channels not in (None, 1, 3):
        raise ValueError(f'channels must be 1, 3 or None, but got {channels}')
    if channels is None or channels == pixels.shape[2]:
        return pixels
    if channels == 3:
        return pixels[..., :3] if pixels.shape[2] == 4 else np.repeat(
            pixels, 3, 2)
    colours = np.ascontiguousarray(pixels[..., :3])
    return cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[..., None]


def _from_black_to_white(pixels: np.ndarray, white: Optional[int],
                         name: Path) -> np.ndarray:
    if white is not None:
        if not 0 < white <= 65535:
            raise ValueError('white must lie between 1 and 65535, but got '
                             f'{white}')
        return decoding.scale_white(pixels, white)
    brightest = int(pixels.max(initial=0))
    if 255 < brightest <= DARK:
        warnings.warn(
            f'{name} has 16 bits, but no value above {brightest}: it is '
            'taken to be dark, with white at 65535. If it holds 12 bits, say '
            'so by white=4095 (--white 4095)')
    return pixels


def from_zero_to_one(pixels: np.ndarray, name: Path) -> np.ndarray:
    """Floating-point pixels with white at 1 or 255 as such with white at 1.

    Those beyond black or white by a hundredth, as after resampling, are cut
    off.

    Raises:
        ValueError: If one lies farther outside, or is not a number.
    """
    low, high = float(pixels.min()), float(pixels.max())
    white = 1 if high <= 1 + SLACK else 255
    if not (low >= -SLACK * white and high <= (1 + SLACK) * white):  # NaN too
        raise ValueError(
            f'{name} cannot be read as a picture: its pixels are '
            f'floating-point numbers from {low:.4g} to {high:.4g}, but must '
            'lie in 0 ... 1 or 0 ... 255')
    return np.clip(pixels / np.float32(white), 0, 1)

"""The one writer of pictures, for photographs of 8 and 16 bits."""
import os
import os.path as osp
import struct
import zlib
from typing import Optional

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .files import Path, whole_file
from .pictures import ORDERS

# Ending: Pillow's format and its options.
FORMATS = {
    '.png': ('PNG', {}),
    '.tif': ('TIFF', dict(compression='tiff_lzw')),
    '.tiff': ('TIFF', dict(compression='tiff_lzw')),
    '.jpg': ('JPEG', dict(quality=95, subsampling=0)),
    '.jpeg': ('JPEG', dict(quality=95, subsampling=0)),
    '.webp': ('WEBP', dict(lossless=True, exact=True)),
    '.bmp': ('BMP', {}),
}
DEEP = ('.png', '.tif', '.tiff')  # what holds 16 bits
ALPHA = (*DEEP, '.webp')
MAX_SIDE = {'.webp': 16383, '.jpg': 65500, '.jpeg': 65500}


def check_ending(path: Path) -> str:
    """The ending of a picture that can be written, in small letters.

    Raises:
        ValueError: If it names no format that can.
    """
    ending = osp.splitext(os.fspath(path))[1].lower()
    if ending not in FORMATS:
        raise ValueError(f'{path} cannot be written as a picture: its name '
                         f'must end in {", ".join(FORMATS)}')
    return ending


def check_picture(path: Path, shape: tuple, dtype: np.dtype) -> None:
    """Refuse a format that would lose depth or alpha.

    Args:
        path (str | PathLike): File that is to be written.
        shape (tuple): Of the pixels, (H, W) or (H, W, C).
        dtype (np.dtype): uint8 or uint16.

    Raises:
        ValueError: If it does.
    """
    ending = check_ending(path)
    for what, found, able in (
        ('16 bits', dtype == np.uint16, DEEP),
        ('an alpha channel', len(shape) == 3 and shape[2] == 4, ALPHA)):
        if found and ending not in able:
            raise ValueError(f'the photograph has {what}, which {path} cannot '
                             f'hold: use {", ".join(able)}')
    if max(shape[:2]) > MAX_SIDE.get(ending, 2**31):
        raise ValueError(f'{path} cannot hold {shape[1]} x {shape[0]} pixels: '
                         f'use {", ".join(DEEP)}')


def write_picture(path: Path,
                  pixels: np.ndarray,
                  order: str = 'rgb',
                  icc_profile: Optional[bytes] = None) -> None:
    """Write a picture, whole or not at all, in the format of its ending.

    Args:
        path (str | PathLike): File ending in .png, .tif, .tiff (8 or 16
            bits, alpha), .webp (alpha; lossless), .jpg, .jpeg or .bmp.
        pixels (np.ndarray): uint8 or uint16 of shape (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4).
        order (str): 'rgb' or 'bgr'. Default: 'rgb'.
        icc_profile (bytes, optional): Of the colours, such as that of the
            picture from which this one was made. BMP has none.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the format does not hold it.
    """
    if order not in ORDERS:
        raise ValueError(f'order must be one of {ORDERS}, but got {order!r}')
    check_picture(path, pixels.shape, pixels.dtype)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    channels = pixels.shape[2]
    if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        raise ValueError('pixels must be uint8 or uint16 of 1, 3 or 4 '
                         f'channels, but got {pixels.dtype} of {channels}')
    if order == 'bgr' and channels > 1:
        pixels = pixels[..., [2, 1, 0, 3][:channels]]
    pixels = np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)
    ending = check_ending(path)
    with whole_file(path) as file:
        if pixels.dtype == np.uint16 and channels > 1:
            encode = _wide_png if ending == '.png' else _wide_tiff
            file.write(encode(pixels, icc_profile))
        else:
            name, options = FORMATS[ending]
            if icc_profile and name != 'BMP':
                options = dict(options, icc_profile=icc_profile)
            Image.fromarray(pixels).save(file, name, **options)


def _wide_png(pixels: np.ndarray, icc_profile: Optional[bytes]) -> bytes:
    """Colours of 16 bits, which Pillow does not write."""
    order = [2, 1, 0, 3][:pixels.shape[2]]
    content = cv2.imencode('.png', pixels[..., order])[1].tobytes()
    if not icc_profile:
        return content
    body = b'iCCP' + b'ICC\0\0' + zlib.compress(icc_profile)
    chunk = struct.pack('>I', len(body) - 4) + body + struct.pack(
        '>I', zlib.crc32(body))
    header = 8 + 25  # signature, and the chunk that must come first
    return content[:header] + chunk + content[header:]


def _wide_tiff(pixels: np.ndarray, icc_profile: Optional[bytes]) -> bytes:
    """The same as TIFF, one deflated strip."""
    height, width, channels = pixels.shape
    strip = zlib.compress(pixels.astype('<u2').tobytes(), 6)
    tags = ImageFileDirectory_v2(b'II*\0\0\0\0\0')
    tags[256], tags[257], tags[277], tags[278] = (width, height, channels,
                                                  height)
    tags[258] = (16, ) * channels
    tags[259], tags[262] = 8, 2  # deflate, RGB
    tags[273], tags[279] = 0, len(strip)  # right behind the tags
    if channels == 4:
        tags[338] = 2  # alpha, not multiplied
    if icc_profile:
        tags[34675] = icc_profile
    return b'II*\0' + struct.pack('<I', 8) + tags.tobytes(8) + strip

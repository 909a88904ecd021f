"""From a file's bytes to its pixels, in every format that Pillow reads.

Pillow reads headers, marks and 8-bit pixels, and finds truncated files, which
OpenCV fills up silently. OpenCV reads colours of more than 8 bits, of which
Pillow would drop half.
"""
import re
import struct
import threading
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple, Optional

import cv2
import numpy as np
from PIL import Image

# Of bytes that are executed (EPS) or that are no photographs, none.
FORMATS = ('AVIF', 'BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'MPO', 'PCX',
           'PNG', 'PPM', 'SGI', 'TGA', 'TIFF', 'WEBP')
ORIENTATION = 0x0112
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WIDE_PPM = re.compile(rb'P6\s+(#[^\n]*\s+)*\d+\s+\d+\s+65535\s')
# What Pillow converts to RGB and means light by; its profile is of others.
OTHER_COLOURS = ('CMYK', 'YCbCr', 'HSV', 'LAB')
_limit_lock = threading.Lock()


class Stored(NamedTuple):
    """A picture as its file has it.

    Attributes:
        pixels (np.ndarray): (H, W, C) of uint8, uint16 or float32, C of 1
            (grey), 3 (RGB) or 4 (RGBA), not yet turned.
        orientation (int): The rotation mark, 1 to 8 of EXIF.
        icc_profile (bytes, optional): Of the pixels' colours.
    """
    pixels: np.ndarray
    orientation: int
    icc_profile: Optional[bytes]


class Unfit(Exception):
    """Why a picture is not held, in half a sentence."""


def open_header(file: BinaryIO, max_pixels: Optional[int]) -> Image.Image:
    """Read a picture's header.

    Args:
        file (BinaryIO): At its start.
        max_pixels (int, optional): Refuse more. None: Pillow's own limit,
            179 million unless ``PIL.Image.MAX_IMAGE_PIXELS`` was set.

    Raises:
        Unfit: If there are more pixels, or the format is none of FORMATS.
        Exception: Whatever Pillow raises on broken bytes.
    """
    try:
        if max_pixels is None:
            image = Image.open(file)
        else:
            with _limit_lock:
                limit = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = None
                try:
                    image = Image.open(file)
                finally:
                    Image.MAX_IMAGE_PIXELS = limit
    except Image.DecompressionBombError as error:
        found = re.findall(r'\d+', str(error))
        raise _too_large(int(found[0]), 2 * Image.MAX_IMAGE_PIXELS) from None
    number = image.width * image.height
    if max_pixels is not None and number > max_pixels:
        raise _too_large(number, max_pixels)
    if image.format not in FORMATS:
        raise Unfit(f'pictures of the format {image.format} are not read')
    return image


def _too_large(number: int, limit: int) -> Unfit:
    return Unfit(
        f'it has {number:,} pixels, and more than {limit:,} are refused since '
        'small files can be made to fill the memory: if it is a photograph, '
        'raise the limit (max_pixels, or --max-pixels of the commands)')


def stored_size(image: Image.Image) -> tuple:
    """Width and height before any turn, from the header."""
    if _tiff_orientation(image) >= 5:  # Pillow swaps them
        return image.size[::-1]
    return image.size


def decode(content: bytes, max_pixels: Optional[int] = None) -> Stored:
    """Decode a picture; of several in a file, the first.

    Raises:
        Unfit: If its pixels are of a kind that is not held, or it is none.
    """
    if not content:
        raise Unfit('the file is empty')
    try:
        with open_header(BytesIO(content), max_pixels) as image:
            return _decode(image, content)
    except Image.UnidentifiedImageError:
        return _decode_wide_tiff(content)
    except Unfit:
        raise
    except Exception as error:  # Pillow raises anything on broken bytes
        raise Unfit(str(error) or type(error).__name__) from error


def _decode(image: Image.Image, content: bytes) -> Stored:
    turned = _tiff_orientation(image)  # what Pillow applies by itself
    wide = _is_wide(image, content)
    bits, inverted = _tiff_bits(image), _tiff_tag(image, PHOTOMETRIC) == 0
    image.load()
    orientation = image.getexif().get(ORIENTATION, 1)
    if orientation not in range(1, 9):
        orientation = 1
    profile = image.info.get('icc_profile') or None
    if image.mode in OTHER_COLOURS:
        profile = None
    if wide:
        pixels = _decode_by_opencv(content)
        if pixels is None:
            raise Unfit('it is damaged')
        return Stored(pixels, max(turned, orientation), profile)
    pixels = _pixels(image, bits, inverted)
    if turned > 1:
        pixels = turn(pixels, {6: 8, 8: 6}.get(turned, turned))
        orientation = turned
    return Stored(pixels, orientation, profile)


def _pixels(image: Image.Image, bits: int, inverted: bool) -> np.ndarray:
    """Pixels of a loaded image, (H, W, C)."""
    mode = image.mode
    if mode.startswith('I;16') or mode == 'I' and image.format in (
            'PNG', 'PPM'):
        pixels = np.asarray(image).astype(np.uint16)[..., None]
        if bits < 16:
            pixels = scale_white(pixels, 2**bits - 1)
        return 65535 - pixels if inverted else pixels
    if mode == 'I' or 2 in (_tiff_tag(image, SAMPLE_FORMAT) or ()):
        raise Unfit('its pixels are integers of 32 bits or with a sign, which '
                    'have no white: save it with 8 or 16 bits')
    if mode == 'F':
        return np.asarray(image, np.float32)[..., None]
    if mode in ('1', 'L') and 'transparency' not in image.info:
        return np.asarray(image.convert('L'))[..., None]
    alpha = mode in ('LA', 'La', 'PA', 'RGBA', 'RGBa') \
        or 'transparency' in image.info
    if mode == 'La':
        image = image.convert('LA')
    return np.asarray(image.convert('RGBA' if alpha else 'RGB'))


def _is_wide(image: Image.Image, content: bytes) -> bool:
    """Whether it has colours of 16 bits, which Pillow would cut to 8."""
    if image.mode not in ('RGB', 'RGBA', 'RGBX', 'RGBa'):
        return False
    if image.format == 'PNG':
        return content[24] == 16
    if image.format == 'TIFF':
        return _tiff_bits(image) == 16
    if image.format == 'PPM':
        return WIDE_PPM.match(content) is not None
    if image.format == 'JPEG2000':
        start = content.find(b'\xff\x4f\xff\x51')  # start, and size, marker
        return start >= 0 and content[start + 42] & 0x7f == 15
    return False


def _tiff_tag(image: Image.Image, tag: int) -> Any:
    return getattr(image, 'tag_v2', {}).get(tag)


def _tiff_bits(image: Image.Image) -> int:
    bits = _tiff_tag(image, BITS) or 16
    return max(bits) if isinstance(bits, tuple) else bits


def _tiff_orientation(image: Image.Image) -> int:
    mark = _tiff_tag(image, ORIENTATION) if image.format == 'TIFF' else 1
    return mark if mark in range(1, 9) else 1


def _decode_wide_tiff(content: bytes) -> Stored:
    """Floating-point colours, of which Pillow does not know."""
    if content[:4] not in (b'II*\0', b'MM\0*'):
        raise Unfit('it is no picture, or of a format that is not read')
    pixels = _decode_by_opencv(content)
    if pixels is None:
        raise Unfit('it is a TIFF of a kind that is not read, or damaged')
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise Unfit(f'its pixels are of the type {pixels.dtype}')
    _, orientation = _upright_tiff(content)
    return Stored(pixels, orientation, None)


def _decode_by_opencv(content: bytes) -> Optional[np.ndarray]:
    """RGB(A) as it is stored, without a turn."""
    if content[:2] in (b'II', b'MM'):
        content, _ = _upright_tiff(content)
    try:
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.ndim == 2:
        return pixels if pixels is None else pixels[..., None]
    order = [2, 1, 0, 3][:pixels.shape[2]]
    return pixels[..., order] if pixels.shape[2] in (3, 4) else None


def _upright_tiff(content: bytes) -> tuple:
    """A TIFF without its rotation mark, at which OpenCV fails; the mark."""
    order = '<' if content[:2] == b'II' else '>'
    try:
        start, = struct.unpack_from(f'{order}I', content, 4)
        count, = struct.unpack_from(f'{order}H', content, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(f'{order}H', content, entry)[0] \
                    == ORIENTATION:
                mark, = struct.unpack_from(f'{order}H', content, entry + 8)
                changed = bytearray(content)
                struct.pack_into(f'{order}H', changed, entry + 8, 1)
                return bytes(changed), mark if mark in range(1, 9) else 1
    except struct.error:  # truncated: the decoder says so
        pass
    return content, 1


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels (H, W, C) as a rotation mark of EXIF wants them."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def scale_white(pixels: np.ndarray, white: int) -> np.ndarray:
    """16-bit pixels with ``white`` moved to 65535, and cut off there."""
    wide = np.minimum(pixels, white).astype(np.uint32)
    return ((wide * 65535 + white // 2) // white).astype(np.uint16)

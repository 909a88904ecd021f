"""One reader: depth, colours, turns and faults are alike in every format."""
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mmacda.apis.images import list_sources
from mmacda.io import load_picture, picture_size, read_picture
from mmacda.io.decoding import turn

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9, 4), np.uint16)
LOSSLESS = ('png', 'tif', 'bmp', 'tga', 'ppm', 'webp', 'gif', 'jp2')


def tiff(pixels, tags=()):
    """A TIFF of any type, written tag by tag."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    ifd = ImageFileDirectory_v2(b'II*\0\0\0\0\0')
    ifd[256], ifd[257] = pixels.shape[1], pixels.shape[0]
    ifd[258], ifd[259] = (pixels.dtype.itemsize * 8, ) * channels, 1
    ifd[262], ifd[277] = 2 if channels > 1 else 1, channels
    ifd[278], ifd[279] = pixels.shape[0], pixels.nbytes
    ifd[339] = (dict(u=1, i=2, f=3)[pixels.dtype.kind], ) * channels
    if channels == 4:
        ifd[338] = 2
    for tag, value in dict(tags).items():
        ifd[tag] = value
    ifd[273] = 0
    return b'II*\0\x08\0\0\0' + ifd.tobytes(8) + pixels.tobytes()


def png(pixels, kind, chunks=b''):
    """A PNG of 16 bits of any kind of colours."""

    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack(
            '>I', zlib.crc32(name + data))

    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in pixels)
    header = struct.pack('>IIBBBBB', *pixels.shape[1::-1], 16, kind, 0, 0, 0)
    extra = b''.join(chunk(*c) for c in chunks)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + extra + chunk(
        b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


@pytest.fixture
def save(tmp_path):

    def write(name, content, **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            if not isinstance(content, Image.Image):
                content = Image.fromarray(content)
            content.save(path, **options)
        return str(path)

    return write


@pytest.mark.parametrize('ending', LOSSLESS)
def test_colours_in_every_format(save, ending):
    pixels = RGB // 51 * 51 if ending == 'gif' else RGB
    path = save(f'a.{ending}', pixels,
                **dict(lossless=True) if ending == 'webp' else {})
    read = read_picture(path)
    assert read.dtype == np.uint8 and read.flags.c_contiguous
    assert read.flags.writeable
    np.testing.assert_array_equal(read, pixels)
    np.testing.assert_array_equal(
        read_picture(path, order='bgr'), pixels[..., ::-1])
    assert picture_size(path) == (9, 6)


@pytest.mark.parametrize('ending', ['jpg', 'jfif', 'avif'])
def test_colours_of_lossy_formats(save, ending):
    if ending == 'avif' and not features.check('avif'):
        pytest.skip('this Pillow reads no AVIF')
    pixels = np.full((16, 24, 3), (200, 90, 30), np.uint8)
    read = read_picture(save(
        f'a.{ending}', pixels, **dict(format='JPEG') if ending == 'jfif'
        else {}))
    assert abs(read.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize('mode, channels', [
    ('1', 1), ('L', 1), ('LA', 4), ('P', 3), ('RGBA', 4)])
def test_channels_of_8_bits(save, mode, channels):
    image = Image.fromarray(RGB).convert(mode)
    path = save('a.png', image)
    read = read_picture(path)
    assert read.shape == (6, 9, channels) and read.dtype == np.uint8
    expected = np.asarray(image.convert(
        {1: 'L', 3: 'RGB', 4: 'RGBA'}[channels]))
    np.testing.assert_array_equal(read, expected.reshape(read.shape))
    assert read_picture(path, channels=3).shape == (6, 9, 3)
    assert read_picture(path, channels=1).shape == (6, 9, 1)


def test_transparent_colours_are_alpha(save):
    grey = Image.fromarray(RGB[..., 0])
    alpha = read_picture(save('a.png', grey, transparency=int(RGB[0, 0, 0])))
    assert alpha.shape[2] == 4 and alpha[0, 0, 3] == 0


def test_other_colours_become_rgb_without_their_profile(save):
    image = Image.fromarray(np.full((8, 8, 3), (200, 90, 30), np.uint8))
    for mode, ending in (('CMYK', 'tif'), ('CMYK', 'jpg'), ('YCbCr', 'tif')):
        picture = load_picture(save(f'a.{ending}', image.convert(mode),
                                    icc_profile=b'of another kind'))
        assert picture.pixels.shape == (8, 8, 3)
        assert abs(picture.pixels.astype(int) -
                   np.asarray(image)).max() <= 6
        assert mode == 'YCbCr' or picture.icc_profile is None


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('ending', ['png', 'tif', 'by tag', 'ppm', 'jp2'])
def test_16_bits_are_kept_and_become_8(save, channels, ending):
    pixels = DEEP[..., :channels]
    squeezed = pixels[..., 0] if channels == 1 else pixels
    if ending == 'ppm' and channels == 1:
        ending = 'pgm'
    order = [2, 1, 0, 3][:channels] if channels > 1 else 0
    if channels == 4 and ending in ('ppm', 'jp2'):
        pytest.skip(f'no alpha in {ending} of OpenCV')
    if ending == 'by tag':
        content = tiff(squeezed)
    else:
        if ending == 'jp2':
            pixels = np.tile(pixels, (12, 8, 1))
        content = cv2.imencode(
            f'.{ending}', pixels[..., order],
            [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes()
    path = save('a.tif' if ending == 'by tag' else f'a.{ending}', content)
    deep = read_picture(path)
    assert deep.dtype == np.uint16 and deep.shape == pixels.shape
    tolerance = 40 if ending == 'jp2' else 0
    assert abs(deep.astype(int) - pixels).max() <= tolerance
    np.testing.assert_array_equal(read_picture(path, dtype=np.uint8),
                                  deep >> 8)
    floats = read_picture(path, dtype=np.float32)
    np.testing.assert_allclose(floats, deep / 65535, rtol=1e-6)


def test_16_bits_of_grey_with_alpha(save):
    read = read_picture(save('a.png', png(DEEP[..., :2], 4)))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, DEEP[..., [0, 0, 0, 1]])


def test_16_bits_with_white_at_zero(save):
    path = save('a.tif', tiff(DEEP[..., 0], {262: 0}))
    np.testing.assert_array_equal(
        read_picture(path)[..., 0], 65535 - DEEP[..., 0])


def test_12_bits_in_16_are_told_or_said(save):
    pixels = DEEP[..., 0] >> 4
    path = save('a.png', pixels)
    with pytest.warns(UserWarning, match='a.png has 16 bits, but no value '
                      'above .*white=4095'):
        dark = read_picture(path)
    np.testing.assert_array_equal(dark[..., 0], pixels)
    scaled = read_picture(path, white=4095)[..., 0]
    np.testing.assert_array_equal(
        scaled, np.round(pixels * (65535 / 4095)).astype(int))
    with pytest.raises(ValueError, match='white must lie between'):
        read_picture(path, white=0)


def test_12_bits_that_a_tiff_tells(save):
    """Two values in three bytes."""
    values = (DEEP[:, :8, 0] >> 4).astype(np.uint32)
    pairs = (values[:, ::2] << 12 | values[:, 1::2]).reshape(-1)
    packed = b''.join(int(p).to_bytes(3, 'big') for p in pairs)
    content = bytearray(tiff(DEEP[:, :8, 0], {258: 12, 279: len(packed)}))
    content[-6 * 8 * 2:] = packed
    read = read_picture(save('a.tif', bytes(content)))
    np.testing.assert_array_equal(
        read[..., 0], np.round(values * (65535 / 4095)).astype(int))


@pytest.mark.parametrize('channels', [1, 3])
def test_floats_from_zero_to_one_or_255(save, channels):
    values = RGB[..., :channels].astype(np.float32)
    if channels == 1:
        values = values[..., 0]
    for scale in (1, 1 / 255):
        path = save('a.tif', tiff(values * np.float32(scale)))
        read = read_picture(path, dtype=np.uint8)
        np.testing.assert_array_equal(read, RGB[..., :channels])
        assert read_picture(path).dtype == np.uint16
        assert picture_size(path) == (9, 6)
    for factor, low in ((1.5, 0), (1, -300), (1, np.nan)):
        path = save('a.tif', tiff(values * np.float32(factor) + low))
        with pytest.raises(ValueError, match='a.tif cannot be read.*float'):
            read_picture(path)
        raw = read_picture(path, raw_floats=True)
        assert raw.dtype == np.float32
        np.testing.assert_array_equal(
            raw.squeeze(), values * np.float32(factor) + low)


@pytest.mark.parametrize('dtype', ['u4', 'i4', 'i2', 'i1', 'f2'])
def test_what_is_not_held_is_refused(save, dtype):
    for shape in ((6, 9), (6, 9, 3)):
        path = save('a.tif', tiff(np.ones(shape, dtype)))
        with pytest.raises(ValueError, match='a.tif cannot be read'):
            read_picture(path)


def test_other_documents_are_refused(save):
    path = save('a.eps', Image.fromarray(RGB))
    with pytest.raises(ValueError, match='format EPS are not read'):
        read_picture(path)


@pytest.mark.parametrize('mark', range(1, 9))
def test_turns_are_those_of_pillow(mark):
    from PIL import ImageOps
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = mark
    np.testing.assert_array_equal(
        turn(RGB, mark), np.asarray(ImageOps.exif_transpose(image)))


MARKED = {
    'rgb.jpg': RGB,
    'rgb.png': RGB,
    'rgb.webp': RGB,
    'rgb.tif': RGB,
    'grey.png': RGB[..., 0],
    'alpha.png': np.dstack([RGB, RGB[..., 0]]),
    'alpha.webp': np.dstack([RGB, RGB[..., 0]]),
    'palette.png': Image.fromarray(RGB).quantize(8),
    'deep grey.png': DEEP[..., 0],
    'deep grey.tif': DEEP[..., 0],
}


@pytest.mark.parametrize('mark', [1, 3, 5, 6, 7, 8])
@pytest.mark.parametrize('kind', [
    *MARKED, 'deep.png', 'deep alpha.png', 'deep.tif', 'deep alpha.tif',
    'float.tif'])
def test_the_mark_is_applied_in_every_format(save, kind, mark):
    exif = Image.Exif()
    exif[0x0112] = mark
    if kind in MARKED:
        paths = [save(f'{k}_{kind}', MARKED[kind], **options)
                 for k, options in enumerate(({}, dict(exif=exif)))]
    elif kind.endswith('png'):
        channels = 4 if 'alpha' in kind else 3
        data = exif.tobytes()[6:]
        paths = [save(f'{k}_{kind}', png(
            DEEP[..., :channels], 6 if channels == 4 else 2, chunks))
            for k, chunks in enumerate(((), [(b'eXIf', data)]))]
    else:
        pixels = DEEP if 'alpha' in kind else DEEP[..., :3]
        if 'float' in kind:
            pixels = (pixels / 65535).astype(np.float32)
        paths = [save(f'{k}_{kind}', tiff(pixels, tags))
                 for k, tags in enumerate(({}, {274: mark}))]
    plain, marked = (read_picture(path) for path in paths)
    np.testing.assert_array_equal(marked, turn(plain, mark))
    np.testing.assert_array_equal(
        read_picture(paths[1], upright=False), plain)
    assert picture_size(paths[1]) == (9, 6)


@pytest.mark.parametrize('ending', ['gif', 'webp', 'tif', 'png'])
def test_the_first_of_several_is_taken(save, ending):
    frames = [Image.fromarray(np.full((8, 8, 3), n, np.uint8))
              for n in (0, 255)]
    path = save(f'a.{ending}', frames[0], save_all=True,
                append_images=frames[1:])
    assert read_picture(path, channels=3).max() <= 1


@pytest.mark.parametrize('name', [
    'a.jpg', 'a.png', 'a.webp', 'a.tif', 'a.bmp', 'a.gif', 'deep.png',
    'deep.tif', 'float.tif', 'a.jp2', 'a.ppm', 'a.tga'])
@pytest.mark.parametrize('share', [0, 0.02, 0.5, 0.9])
def test_truncated_files_are_named(save, tmp_path, name, share):
    large = np.random.default_rng(1).integers(0, 256, (64, 80, 3), np.uint8)
    if name == 'deep.png':
        path = save(name, png(large.astype(np.uint16) * 257, 2))
    elif name == 'deep.tif':
        path = save(name, tiff(large.astype(np.uint16) * 257))
    elif name == 'float.tif':
        path = save(name, tiff(large.astype(np.float32)))
    else:
        path = save(name, large)
    content = open(path, 'rb').read()
    path = save(name, content[:int(share * len(content))])
    with pytest.raises(ValueError, match=f'{name} cannot be read'):
        read_picture(path)


def test_what_is_no_picture_is_named(save, tmp_path):
    for content in (b'', b'text', b'II*\0', b'\x89PNG\r\n\x1a\n', b'RIFF'):
        with pytest.raises(ValueError, match='a.png cannot be read as a'):
            read_picture(save('a.png', content))
        with pytest.raises(ValueError, match='a.png cannot be read as a'):
            picture_size(save('a.png', content))
    with pytest.raises(FileNotFoundError, match='b.png does not exist'):
        read_picture(tmp_path / 'b.png')
    with pytest.raises(IsADirectoryError, match='is a folder, not a picture'):
        read_picture(tmp_path)


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='POSIX')
def test_what_may_never_end_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    os.symlink('/dev/zero', tmp_path / 'zero.png')
    for name in 'pipe.png', 'zero.png':
        with pytest.raises(ValueError, match=f'{name} is a pipe or a device'):
            read_picture(tmp_path / name)
        with pytest.raises(ValueError, match=f'{name} is a pipe or a device'):
            list_sources(str(tmp_path / name))


def test_too_many_pixels_are_refused_with_the_limit(save, monkeypatch):
    path = save('a.png', np.zeros((40, 50), np.uint8))
    for read in (read_picture, picture_size):
        with pytest.raises(ValueError, match='a.png .* it has 2,000 pixels, '
                           'and more than 1,999 .*--max-pixels'):
            read(path, max_pixels=1999)
        read(path, max_pixels=2000)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 900)
    for read in (read_picture, picture_size):
        with pytest.raises(ValueError, match='2,000 pixels, and more than '
                           '1,800 .*max_pixels'):
            read(path)
        read(path, max_pixels=2000)
    assert Image.MAX_IMAGE_PIXELS == 900


def test_arguments_are_checked(save):
    path = save('a.png', RGB)
    for options, words in ((dict(order='gbr'), 'order must be'),
                           (dict(channels=2), 'channels must be'),
                           (dict(dtype=np.int8), 'dtype must be')):
        with pytest.raises(ValueError, match=words):
            read_picture(path, **options)


def test_profiles_are_handed_on(save):
    profile = b'a profile' * 99
    for ending in ('png', 'jpg', 'tif', 'webp'):
        path = save(f'a.{ending}', RGB, icc_profile=profile)
        assert load_picture(path).icc_profile == profile
    assert load_picture(save('b.png', RGB)).icc_profile is None

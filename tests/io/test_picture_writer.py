"""One writer: what was written is read back, profile included."""
import cv2
import numpy as np
import pytest
from PIL import Image

from mmacda.io import load_picture, write_picture
from mmacda.io.picture_writer import FORMATS, check_ending

RNG = np.random.default_rng(0)
PROFILE = b'a profile' * 99


def pixels(channels, dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max + 1, (16, 24, channels), dtype)


@pytest.mark.parametrize('order', ['rgb', 'bgr'])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('ending', ['.png', '.tif', '.TIFF', '.webp', '.bmp'])
def test_8_bits(tmp_path, ending, channels, order):
    path = tmp_path / f'a{ending}'
    image = pixels(channels)
    if channels == 4 and ending == '.bmp':
        with pytest.raises(ValueError, match='an alpha channel, which .*bmp'):
            write_picture(path, image)
        return
    write_picture(path, image, order, icc_profile=PROFILE)
    read = load_picture(path, order=order)
    if ending == '.webp' and channels == 1:
        image = np.repeat(image, 3, 2)  # has no grey
    np.testing.assert_array_equal(read.pixels, image)
    assert read.icc_profile == (None if ending == '.bmp' else PROFILE)


@pytest.mark.parametrize('profile', [None, PROFILE])
@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('ending', ['.png', '.tif'])
def test_16_bits(tmp_path, ending, channels, profile):
    path = tmp_path / f'a{ending}'
    image = pixels(channels, np.uint16)
    write_picture(path, image, 'bgr', profile)
    read = load_picture(path, order='bgr')
    np.testing.assert_array_equal(read.pixels, image)
    assert read.icc_profile == profile
    # Others read it too.
    np.testing.assert_array_equal(
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED).reshape(image.shape),
        image)


@pytest.mark.parametrize('ending', ['.jpg', '.jpeg'])
def test_jpeg(tmp_path, ending):
    path = tmp_path / f'a{ending}'
    image = np.full((16, 24, 3), (200, 90, 30), np.uint8)
    write_picture(path, image, icc_profile=PROFILE)
    read = load_picture(path)
    assert abs(read.pixels.astype(int) - image).max() <= 4
    assert read.icc_profile == PROFILE
    write_picture(path, image[..., 0])
    assert load_picture(path).pixels.shape == (16, 24, 1)
    for refused in (pixels(3, np.uint16), pixels(4)):
        with pytest.raises(ValueError, match=f'which .*{ending} cannot hold'):
            write_picture(path, refused)


def test_endings(tmp_path):
    for ending in FORMATS:
        assert check_ending(f'a{ending.upper()}') == ending
        write_picture(tmp_path / f'a{ending}', pixels(3))
        Image.open(tmp_path / f'a{ending}').verify()
    for name in ('a.jp', 'a', '.png', 'a.gif'):
        with pytest.raises(ValueError, match='must end in .png'):
            write_picture(tmp_path / name, pixels(3))
    assert len(list(tmp_path.iterdir())) == len(FORMATS)


def test_other_arrays_are_refused(tmp_path):
    for image in (pixels(2), pixels(3) / 255):
        with pytest.raises(ValueError, match='must be uint8 or uint16'):
            write_picture(tmp_path / 'a.png', image)
    with pytest.raises(ValueError, match='order must be'):
        write_picture(tmp_path / 'a.png', pixels(3), order='gbr')
    with pytest.raises(ValueError, match='cannot hold 16384 x 1 pixels'):
        write_picture(tmp_path / 'a.webp', np.zeros((1, 16384), np.uint8))
    assert not list(tmp_path.iterdir())

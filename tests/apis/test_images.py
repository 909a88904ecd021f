"""What users hand in: files of all kinds, folders, arrays."""
import io

import numpy as np
import pytest
import torch
from PIL import Image

from mmacda.apis.images import list_sources, read_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def test_colours_come_out_as_bgr(tmp_path):
    for source in (save(tmp_path / 'a.png', RGB), tmp_path / 'a.png',
                   RGB[..., ::-1]):
        image = read_image(source)
        np.testing.assert_array_equal(image, RGB[..., ::-1])
        assert image.dtype == np.uint8 and image.flags.c_contiguous


def test_alpha_is_dropped(tmp_path):
    rgba = np.concatenate([RGB, RGB[..., :1]], 2)
    path = save(tmp_path / 'a.png', rgba)
    np.testing.assert_array_equal(read_image(path), RGB[..., ::-1])
    np.testing.assert_array_equal(read_image(rgba), RGB)


def test_grey_gets_three_channels(tmp_path):
    grey = RGB[..., 0]
    expected = np.stack([grey] * 3, 2)
    for source in (save(tmp_path / 'a.png', grey), grey, grey[..., None]):
        np.testing.assert_array_equal(read_image(source), expected)


def test_black_and_white_and_palette(tmp_path):
    bits = RGB[..., 0] > 127
    path = save(tmp_path / 'a.png', bits)
    np.testing.assert_array_equal(read_image(path)[..., 0], bits * 255)
    image = Image.fromarray(RGB).quantize(256)
    image.save(tmp_path / 'p.png')
    np.testing.assert_array_equal(
        read_image(tmp_path / 'p.png'),
        np.asarray(image.convert('RGB'))[..., ::-1])


def test_sixteen_bits_become_eight(tmp_path):
    grey = RGB[..., 0].astype(np.uint16) * 256 + 7
    path = save(tmp_path / 'a.png', grey)
    np.testing.assert_array_equal(read_image(path)[..., 2], RGB[..., 0])
    np.testing.assert_array_equal(read_image(grey)[..., 0], RGB[..., 0])


def test_orientation_of_the_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    path = save(tmp_path / 'a.png', RGB, exif=exif)
    np.testing.assert_array_equal(
        read_image(path), np.rot90(RGB, -1)[..., ::-1])


@pytest.mark.parametrize('array, error, words', [
    (RGB / 255, TypeError, 'float64'),
    (RGB.astype(np.int64), TypeError, 'int64'),
    (RGB[None], ValueError, r'\(1, 6, 9, 3\)'),
    (RGB[..., :2], ValueError, r'\(6, 9, 2\)'),
    (RGB.transpose(2, 0, 1), ValueError, r'\(3, 6, 9\)'),
    (RGB[:0], ValueError, r'\(0, 9, 3\)'),
])
def test_bad_arrays(array, error, words):
    with pytest.raises(error, match=words):
        read_image(array)


def test_bad_files_are_named(tmp_path):
    path = tmp_path / 'bad.jpg'
    content = io.BytesIO()
    Image.fromarray(np.tile(RGB, (50, 50, 1))).save(content, 'JPEG')
    for written in (b'', b'no image at all', content.getvalue()[:3000]):
        path.write_bytes(written)
        with pytest.raises(ValueError, match='bad.jpg cannot be read'):
            read_image(path)
    path = tmp_path / 'float.tif'
    save(path, RGB[..., 0].astype(np.float32) * 2)
    with pytest.raises(ValueError, match='float.tif cannot.*floating-point'):
        read_image(path)


def test_folders_files_and_arrays(tmp_path):
    for name in ('b.JPG', 'a.png', 'notes.txt', 'sub/c.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / '._a.png').touch()
    folder = [str(tmp_path / 'a.png'), str(tmp_path / 'b.JPG')]
    with pytest.warns(UserWarning, match='1 of 3 files .*notes.txt'):
        assert list_sources(tmp_path) == [(p, p) for p in folder]
    (tmp_path / 'notes.txt').unlink()
    names = [name for name, _ in list_sources([RGB, folder[1], tmp_path])]
    assert names == ['image_0', folder[1], *folder]
    assert list_sources(RGB)[0][1] is RGB


def test_no_images(tmp_path):
    with pytest.raises(ValueError, match=f'{tmp_path} holds no image'):
        list_sources(str(tmp_path))
    with pytest.raises(ValueError, match='list is empty'):
        list_sources([])
    with pytest.raises(FileNotFoundError, match='missing.jpg does not exist'):
        list_sources('missing.jpg')
    with pytest.raises(TypeError, match='Tensor'):
        list_sources(torch.zeros(3, 4, 4))
    with pytest.raises(TypeError, match='input 1 must be a path'):
        list_sources([RGB, 3])

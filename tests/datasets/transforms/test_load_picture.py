"""Images of samples: 16 bits, turns and faults, and what mmagic reads."""
import cv2
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmacda.datasets.transforms import LoadImagePair

RAMP = np.tile(np.linspace(0, 65535, 96).astype(np.uint16), (8, 1))


def load(path, **options):
    transform = TRANSFORMS.build(dict(type='LoadPicture', **options))
    return transform(dict(img_path=str(path)))


@pytest.mark.parametrize('name', ['a.png', 'a.tif'])
@pytest.mark.parametrize('colours', [False, True])
def test_16_bits_become_8_in_samples_and_pairs(tmp_path, name, colours):
    path = str(tmp_path / name)
    cv2.imwrite(path, np.dstack([RAMP] * 3) if colours else RAMP)
    pair = LoadImagePair()(dict(img_path=path, gt_path=path))
    for image in (load(path)['img'], pair['img'], pair['gt']):
        assert image.dtype == np.uint8 and image.shape == (8, 96, 3)
        np.testing.assert_array_equal(image[..., 1], RAMP >> 8)


def test_12_bits_by_option(tmp_path):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, RAMP >> 4)
    for image in (load(path, white=4095)['img'],
                  LoadImagePair(white=4095)(dict(img_path=path))['img']):
        assert abs(image[..., 0].astype(int) - (RAMP >> 8)).max() <= 1


def test_keys_and_colours(tmp_path):
    path = tmp_path / 'a.png'
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    results = load(path)
    np.testing.assert_array_equal(results.pop('img'), pixels[..., ::-1])
    assert results == dict(
        img_path=str(path), img_shape=(4, 6), ori_shape=(4, 6),
        ori_img_shape=(4, 6, 3), img_channel_order='bgr',
        img_color_type='color')
    results = load(path, order='rgb')
    np.testing.assert_array_equal(results['img'], pixels)
    assert results['img_channel_order'] == 'rgb'
    results = load(path, channels=1)
    assert results['img'].shape == (4, 6, 1)
    assert results['img_color_type'] == 'grayscale'


def test_turns_in_every_format(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ('a.jpg', 'a.png', 'a.webp'):
        Image.new('RGB', (20, 10)).save(tmp_path / name, exif=exif)
        assert load(tmp_path / name)['img'].shape == (20, 10, 3)
        stored = load(tmp_path / name, upright=False)['img']
        assert stored.shape == (10, 20, 3)


def test_faults(tmp_path):
    path = tmp_path / 'a.png'
    Image.new('RGB', (20, 10)).save(path)
    for transform in (load, lambda p, **o: LoadImagePair(**o)(
            dict(img_path=str(p)))):
        with pytest.raises(ValueError, match='a.png cannot.*200 pixels'):
            transform(path, max_pixels=100)
        with pytest.raises(FileNotFoundError, match='b.png does not exist'):
            transform(tmp_path / 'b.png')
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match='a.png cannot be read'):
        load(path)
    with pytest.raises(ValueError, match='channels must be 1 or 3'):
        load(path, channels=4)
    assert 'upright=True' in repr(TRANSFORMS.build(dict(type='LoadPicture')))

"""Images as models take them."""
import cv2
import numpy as np
import pytest
import torch
import torch.nn as nn
from mmengine.config import Config

from mmacda.apis.inspection import (displayed, image_channels, preprocess,
                                    read_image, run_model)
from mmacda.apis.load_model import load_model
from mmacda.models import ACDALeNet

MODEL = dict(
    type='PatternDetector',
    conv_cfg=dict(type='ACDAConv', atom_generator=dict(norm_cfg=None)),
    kernel_size=3)
RGB = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), RGB[..., ::-1])
    return str(path)


def config(**kwargs):
    return Config(dict(model=dict(MODEL), **kwargs))


def colour_model(preprocessor, **kwargs):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1))
    model.data_preprocessor = preprocessor
    model.cfg = Config(kwargs)
    return model


def test_grey_image_for_a_grey_model(image_file):
    model = load_model(config())
    image = read_image(image_file, model)
    assert image.shape == (5, 7, 1) and image.dtype == np.uint8
    inputs = preprocess(model, image)
    assert inputs.shape == (1, 1, 5, 7)
    assert torch.equal(inputs[0, 0], torch.from_numpy(image[..., 0]).float())
    assert run_model(model, inputs).shape == (1, 1, 5, 7)


def test_floating_point_tiff_is_read_as_it_is(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    path = str(tmp_path / 'values.tiff')
    cv2.imwrite(path, values)
    model = load_model(config())
    image = read_image(path, model)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[..., 0], values)
    shown = displayed(image, model, (6, 4))
    assert shown.min() == 0 and shown.max() == 255


@pytest.mark.parametrize('loads, swaps', [('bgr', True), ('rgb', False)])
def test_channels_reach_the_network_in_its_order(image_file, loads, swaps):
    from mmengine.model import ImgDataPreprocessor
    model = colour_model(
        ImgDataPreprocessor(
            mean=[1., 2., 3.], std=[2., 2., 2.], bgr_to_rgb=swaps,
            pad_size_divisor=4),
        test_pipeline=[
            dict(type='mmcv.LoadImageFromFile', channel_order=loads)])
    image = read_image(image_file, model)
    inputs = preprocess(model, image)
    assert inputs.shape == (1, 3, 8, 8)
    expected = (torch.from_numpy(RGB).permute(2, 0, 1).float() -
                torch.tensor([1., 2., 3.]).view(3, 1, 1)) / 2
    torch.testing.assert_close(inputs[0, :, :5, :7], expected)
    shown = displayed(image, model, inputs.shape[2:])
    np.testing.assert_array_equal(shown[:5, :7], RGB)
    assert shown.shape == (8, 8, 3) and not shown[5:].any()


def test_image_channels():
    assert image_channels(ACDALeNet(in_channels=1)) == 1
    assert image_channels(ACDALeNet()) == 3
    shuffled = torch.nn.Sequential(
        torch.nn.PixelUnshuffle(2), torch.nn.Conv2d(12, 4, 3))
    assert image_channels(shuffled) == 3


def test_unreadable_images(tmp_path, image_file):
    model = load_model(config())
    with pytest.raises(FileNotFoundError, match='absent.png does not exist'):
        read_image(str(tmp_path / 'absent.png'), model)
    path = tmp_path / 'broken.png'
    path.write_text('nothing of the kind', encoding='utf-8')
    with pytest.raises(ValueError, match='broken.png cannot be read'):
        read_image(str(path), model)


@pytest.mark.parametrize('ending', ['tiff', 'png'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bits_become_8(tmp_path, ending, channels):
    deep = RGB.astype(np.uint16) * 257
    path = str(tmp_path / f'deep.{ending}')
    cv2.imwrite(path, deep[..., ::-1] if channels == 3 else deep[..., 0])
    image = read_image(path, nn.Conv2d(3, 3, 3))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(
        image, RGB[..., ::-1] if channels == 3 else RGB[..., [0, 0, 0]])
    assert read_image(path, load_model(config())).shape == (5, 7, 1)


def test_floats_are_scaled_for_a_model_that_normalises(tmp_path):
    from mmengine.model import ImgDataPreprocessor
    model = colour_model(ImgDataPreprocessor(mean=[1.] * 3, std=[2.] * 3))
    path = str(tmp_path / 'float.tiff')
    for white in (1, 255):
        cv2.imwrite(path, RGB[..., 0] * np.float32(white / 255))
        image = read_image(path, model)
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, RGB[..., [0, 0, 0]], atol=1e-4)
    cv2.imwrite(path, RGB[..., 0].astype(np.float32) - 500)
    with pytest.raises(ValueError, match='float.tiff cannot be read'):
        read_image(path, model)


def test_network_that_cannot_take_the_size():
    model = ACDALeNet(in_channels=1, input_size=20).eval()
    with pytest.raises(ValueError, match=r'24 x 20 pixels .* --resize'):
        run_model(model, torch.rand(1, 1, 24, 20))

"""Any picture becomes one channel; mmpretrain's inferencer on the digits."""
from pathlib import Path

import mmcv
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

import mmacda  # noqa: F401

CONFIGS = Path(__file__).parents[3] / 'configs'
GREY = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)


def run(image):
    return TRANSFORMS.build(dict(type='GreyImage'))(dict(img=image))['img']


@pytest.mark.parametrize('image', [
    GREY, GREY[..., None], np.dstack([GREY] * 3),
    np.dstack([GREY] * 3 + [GREY // 2])
], ids=['2-D', 'one channel', 'colour', 'alpha'])
def test_a_grey_image_in_every_form(image):
    assert run(image).shape == (9, 7, 1)
    assert np.array_equal(run(image)[..., 0], GREY)


def test_colour_is_weighted_as_mmcv_reads_it(tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    mmcv.imwrite(image, str(tmp_path / 'a.png'))
    expected = mmcv.imread(str(tmp_path / 'a.png'), 'grayscale')
    assert np.abs(run(image)[..., 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize('image, error, message', [
    (GREY.astype(np.uint16), TypeError, 'uint8.*uint16'),
    (GREY / 255, TypeError, 'uint8.*float64'),
    (GREY[None, None], ValueError, r'\(1, 1, 9, 7\)'),
    (np.dstack([GREY] * 2), ValueError, r'\(9, 7, 2\)'),
])
def test_bad_images(image, error, message):
    with pytest.raises(error, match=message):
        run(image)


@pytest.mark.parametrize('config', [
    'ad_resnet/ad-resnet-s_digits.py', 'lenet/lenet-acda_digits.py',
    'replace/resnet18-small_1xb64_digits.py'
])
def test_mmpretrains_inferencer_takes_files_and_arrays(config, tmp_path):
    """Each digit config's, with any size and number of channels."""
    mmpretrain = pytest.importorskip('mmpretrain')
    inferencer = mmpretrain.ImageClassificationInferencer(
        str(CONFIGS / config), device='cpu')
    path = tmp_path / 'digit.png'
    mmcv.imwrite(GREY, str(path))
    inputs = [str(path), GREY, GREY[..., None], np.dstack([GREY] * 3)]
    scores = [inferencer(x)[0]['pred_scores'] for x in inputs]
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], atol=1e-6)
    assert len(inferencer(inputs, batch_size=2)) == len(inputs)


def test_inferencer_saves_pictures(tmp_path):
    mmpretrain = pytest.importorskip('mmpretrain')
    inferencer = mmpretrain.ImageClassificationInferencer(
        str(CONFIGS / 'lenet/lenet-acda_digits.py'), device='cpu')
    mmcv.imwrite(GREY, str(tmp_path / 'digit.png'))
    inferencer(str(tmp_path / 'digit.png'), show_dir=str(tmp_path / 'shown'))
    assert (tmp_path / 'shown' / 'digit.png').is_file()

"""PSNR and SSIM against their definitions, scikit-image and mmagic."""
import numpy as np
import pytest
import torch

from mmacda.evaluation.image_quality import luma, psnr, ssim, tiles, to_uint8


@pytest.fixture(scope='module')
def pair():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (31, 26, 3), dtype=np.uint8)
    noise = rng.normal(0, 20, target.shape)
    return to_uint8(target + noise), target


def gaussian_window(dimensions):
    """Wang et al.'s weights: 11 wide, sigma 1.5, sum 1."""
    axis = np.exp(-np.arange(-5, 6)**2 / (2 * 1.5**2))
    window = axis
    for _ in range(dimensions - 1):
        window = np.multiply.outer(window, axis)
    return window / window.sum()


def ssim_of_patch(x, y, window):
    """SSIM at one position, from weighted moments."""
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x = (window * (x - mean_x)**2).sum()
    var_y = (window * (y - mean_y)**2).sum()
    cov = (window * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = 2.55**2, 7.65**2
    return ((2 * mean_x * mean_y + c1) * (2 * cov + c2) /
            ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))


def test_psnr_is_its_definition():
    target = np.zeros((2, 5, 2), np.uint8)
    prediction = target.copy()
    prediction[0, 0, 0] = 10  # mean squared error 100 / 20 = 5
    assert psnr(prediction, target) == pytest.approx(
        10 * np.log10(255**2 / 5), abs=1e-12)
    assert psnr(target, target) == np.inf


def test_ssim_2d_is_its_definition(pair):
    x, y = (a.astype(float) for a in pair)
    window = gaussian_window(2)
    values = [
        ssim_of_patch(x[i:i + 11, j:j + 11, c], y[i:i + 11, j:j + 11, c],
                      window) for i in range(21) for j in range(16)
        for c in range(3)
    ]
    assert ssim(*pair, '2d') == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_3d_is_its_definition(pair):
    """MATLAB: an 11 x 11 x 11 window at every voxel, borders replicated."""
    x, y = (np.pad(a[:13, :12].astype(float), 5, mode='edge') for a in pair)
    window = gaussian_window(3)
    values = [
        ssim_of_patch(x[i:i + 11, j:j + 11, c:c + 11],
                      y[i:i + 11, j:j + 11, c:c + 11], window)
        for i in range(13) for j in range(12) for c in range(3)
    ]
    small = [np.ascontiguousarray(a[:13, :12]) for a in pair]
    assert ssim(*small, '3d') == pytest.approx(np.mean(values), abs=1e-10)


def test_agrees_with_skimage(pair):
    metrics = pytest.importorskip('skimage.metrics')
    assert psnr(*pair) == pytest.approx(
        metrics.peak_signal_noise_ratio(*pair[::-1], data_range=255))
    assert ssim(*pair) == pytest.approx(
        metrics.structural_similarity(
            *pair,
            data_range=255,
            channel_axis=2,
            gaussian_weights=True,
            use_sample_covariance=False), abs=1e-6)


def test_agrees_with_mmagic_on_rounded_images(pair):
    pytest.importorskip('mmagic')
    from mmagic.evaluation.metrics.psnr import psnr as their_psnr
    from mmagic.evaluation.metrics.ssim import ssim as their_ssim
    assert psnr(*pair) == pytest.approx(their_psnr(*pair), abs=1e-4)
    assert ssim(*pair) == pytest.approx(their_ssim(*pair), abs=1e-4)


@pytest.mark.parametrize('rgb, y', [
    ((0, 0, 0), 16),
    ((255, 255, 255), 235),
    ((255, 0, 0), 81),  # 16 + 65.481
    ((0, 255, 0), 145),  # 16 + 128.553
    ((0, 0, 255), 41),  # 16 + 24.966
    ((100, 150, 200), 137),  # 16 + (6548.1 + 19282.95 + 4993.2) / 255
])
def test_luma_is_that_of_matlab(rgb, y):
    bgr = np.array(rgb[::-1], np.uint8).reshape(1, 1, 3)
    assert luma(bgr).tolist() == [[y]]
    assert luma(bgr).dtype == np.uint8


def test_grey_is_its_own_luma():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(luma(grey[..., None]), grey)


def test_rounding():
    values = torch.tensor([-3., 0.49, 0.5, 1.5, 254.4, 254.5, 300.])
    assert to_uint8(values.reshape(1, 1, -1)).ravel().tolist() == [
        0, 0, 1, 2, 254, 255, 255
    ]


@pytest.mark.parametrize('shape, corners', [
    ((1200, 3000), [(0, 0)]),
    ((1201, 1300), [(0, 0), (0, 100), (1, 0), (1, 100)]),
    ((2000, 1201), [(0, 0), (0, 1), (800, 0), (800, 1)]),
    ((1500, 2100), [(0, 0), (0, 800), (0, 900), (300, 0), (300, 800),
                    (300, 900)]),
])
def test_tiles(shape, corners):
    rows, columns = np.meshgrid(*map(np.arange, shape), indexing='ij')
    image = np.stack([rows, columns], -1)
    found = list(tiles(image))
    assert [tuple(tile[0, 0]) for tile in found] == corners
    side = (1200, 1200) if len(corners) > 1 else shape
    assert all(tile.shape[:2] == side for tile in found)


def test_bad_input():
    image = np.zeros((11, 11), np.uint8)
    with pytest.raises(TypeError, match='of uint8, but got float64'):
        psnr(image, image.astype(float))
    with pytest.raises(ValueError, match=r'\(11, 11\) and \(11, 10\)'):
        psnr(image, image[:, :10])
    with pytest.raises(ValueError, match='at least 11 x 11'):
        ssim(image[:10], image[:10])
    with pytest.raises(ValueError, match="'2d', '3d'"):
        ssim(image, image, '4d')

"""Noise of the strength that was asked for, and smaller pictures."""
import mmcv
import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

import mmacda  # noqa: F401

CLEAN = np.full((64, 80, 3), 128, np.uint8)
PICTURE = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)


def run(image, **step):
    np.random.seed(0)
    return TRANSFORMS.build(step)(dict(gt=image))


@pytest.mark.parametrize('sigma', [0, 5, 20])
def test_gaussian_noise(sigma):
    results = run(CLEAN, type='AddNoise', sigma=(sigma, sigma), camera_prob=0)
    noise = results['img'].astype(float) - CLEAN
    assert results['img'].dtype == np.uint8
    # Rounding adds a variance of 1/12 of a step.
    assert noise.std() == pytest.approx(np.sqrt(sigma**2 + bool(sigma) / 12),
                                        rel=.02)
    assert abs(noise.mean()) < .5
    assert np.array_equal(results['gt'], CLEAN)


def test_a_camera_is_noisier_at_higher_sensitivity():
    low, high = (run(CLEAN, type='AddNoise', iso=(iso, iso), camera_prob=1)
                 ['img'].std() for iso in (200, 3200))
    assert 0 < low < high / 3


def test_every_call_draws_anew_and_a_seed_repeats_it():
    step = TRANSFORMS.build(dict(type='AddNoise', sigma=(9, 9)))
    pairs = []
    for _ in range(2):
        np.random.seed(3)
        pairs.append([step(dict(gt=CLEAN))['img'] for _ in range(2)])
    assert not np.array_equal(*pairs[0])
    assert np.array_equal(pairs[0], pairs[1])


def test_the_mean_over_pixels():
    results = run(PICTURE, type='ReduceImage', scale=3, filters=['box'])
    mean = PICTURE.reshape(4, 3, 6, 3, 3).mean((1, 3))
    assert results['scale'] == 3
    assert np.abs(results['img'] - mean).max() <= 1


def test_both_filters_are_drawn():
    made = [mmcv.imresize(PICTURE, (9, 6), interpolation=name,
                          backend='pillow') for name in ('box', 'bicubic')]
    step = TRANSFORMS.build(dict(type='ReduceImage'))
    np.random.seed(0)
    drawn = [step(dict(gt=PICTURE))['img'] for _ in range(20)]
    for expected in made:
        assert 2 < sum(np.array_equal(image, expected)
                       for image in drawn) < 18


@pytest.mark.parametrize('step, said', [
    (dict(type='AddNoise', sigma=(5, 3)), 'sigma must be a least'),
    (dict(type='AddNoise', sigma=(-1, 3)), 'from 0 on'),
    (dict(type='AddNoise', iso=(0, 3)), 'iso must be .* from 1 on'),
    (dict(type='AddNoise', iso=(100, )), 'iso must be'),
    (dict(type='AddNoise', camera_prob=2), r'camera_prob must be in \[0, 1'),
    (dict(type='ReduceImage', scale=1), 'scale must be .* from 2 on'),
    (dict(type='ReduceImage', filters=['area']), "of 'box' and 'bicubic'"),
    (dict(type='ReduceImage', scale=5), '12 x 18 .* 5 times smaller'),
])
def test_refusals(step, said):
    with pytest.raises(ValueError, match=said):
        run(PICTURE, **step)

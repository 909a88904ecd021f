"""The atom bases against the golden arrays and the paper's construction."""
from pathlib import Path

import numpy as np
import pytest
import torch

from mmacda.ops import fourier_bessel_bases, fourier_bessel_set

GOLDEN = Path(__file__).parent / 'golden'


@pytest.mark.parametrize('half_width', range(1, 6))
def test_whole_set_equals_golden_array(half_width):
    golden = np.load(GOLDEN / f'fb_{half_width}.npy')
    ours = fourier_bessel_set(2 * half_width + 1)
    assert ours.dtype == np.float64
    assert ours.shape == golden.shape
    assert abs(ours - golden).max() < 1e-10


@pytest.mark.parametrize('size', (3, 5, 7, 9, 11))
def test_set_is_scaled_as_a_whole(size):
    norms = (fourier_bessel_set(size)**2).sum(axis=(1, 2))
    assert norms.mean() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize('size,dead', [(3, 0), (5, 4), (7, 12)])
def test_support_is_a_disc(size, dead):
    used = (fourier_bessel_set(size) != 0).any(axis=0)
    assert (~used).sum() == dead
    offsets = np.arange(size) - size // 2
    radius = np.hypot(*np.meshgrid(offsets, offsets))
    assert not used[radius >= size / 2].any()


@pytest.mark.parametrize('scales', [(3, ), (3, 5), (3, 5, 7), (5, 9)])
@pytest.mark.parametrize('num_bases', (1, 4, 6))
def test_stack_is_scale_major_and_centred(scales, num_bases):
    stack = fourier_bessel_bases(scales, num_bases)
    support = scales[-1]
    assert stack.dtype == torch.float64
    assert stack.shape == (len(scales) * num_bases, support, support)
    for index, scale in enumerate(scales):
        part = stack[index * num_bases:(index + 1) * num_bases].clone()
        golden = np.load(GOLDEN / f'fb_{scale // 2}.npy')[:num_bases]
        margin = (support - scale) // 2
        inner = slice(margin, support - margin)
        assert abs(part[:, inner, inner].numpy() - golden).max() < 1e-10
        part[:, inner, inner] = 0
        assert not part.any(), f'scale {scale} reaches into its margin'


def test_paper_default_is_three_scales_of_six():
    stack = fourier_bessel_bases()
    assert stack.shape == (18, 7, 7)
    assert torch.equal(stack, fourier_bessel_bases((3, 5, 7), 6))


def test_result_is_the_callers_own():
    fourier_bessel_bases((3, ), 6).zero_()
    assert fourier_bessel_bases((3, ), 6).any()
    with pytest.raises(ValueError, match='read-only'):
        fourier_bessel_set(3)[:] = 0


@pytest.mark.parametrize('scales', [(), (4, ), (1, 3), (5, 3), (3, 3),
                                    (3.0, ), 7, 'abc', None])
def test_bad_scales(scales):
    with pytest.raises(ValueError, match='scales must be .*odd integers'):
        fourier_bessel_bases(scales, 6)


@pytest.mark.parametrize('num_bases', (0, -1, 2.5, '6', None))
def test_bad_number_of_bases(num_bases):
    with pytest.raises(ValueError, match='num_bases must be a positive'):
        fourier_bessel_bases((3, ), num_bases)


@pytest.mark.parametrize('scales,limit', [((3, ), 6), ((3, 7), 6), ((5, ), 14),
                                          ((7, ), 38)])
def test_more_bases_than_exist(scales, limit):
    assert len(fourier_bessel_bases(scales, limit)) == limit * len(scales)
    with pytest.raises(
            ValueError, match=f'num_bases={limit + 1} exceeds the {limit} '):
        fourier_bessel_bases(scales, limit + 1)


@pytest.mark.parametrize('size', (1, 2, 4, 3.0, '3'))
def test_bad_size_of_a_set(size):
    with pytest.raises(ValueError, match='scale must be an odd integer'):
        fourier_bessel_set(size)

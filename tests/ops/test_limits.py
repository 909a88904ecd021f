"""Calls beyond the native backend's 32-bit offsets are left to others."""
import itertools

import pytest
import torch
import torch.nn.functional as F

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases
from mmacda.ops.backends import choose_backend, native
from mmacda.ops.backends.native import limits
from mmacda.ops.backends.native.limits import find_excess
from mmacda.ops.backends.native.plan import make_plan
from mmacda.ops.geometry import ConvGeometry


def excess(size, kernel=3, **options):
    arguments = dict(stride=1, padding=0, dilation=1, groups=1)
    geometry = ConvGeometry.checked(**{**arguments, **options})
    bases = torch.empty(1).expand(4, kernel, kernel)
    return find_excess((2, 3, 4, *size), bases, geometry)


def test_the_limit():
    side = 46339  # and 2 more columns and rows; 46341^2 > 2^31
    assert excess((side, side - 2)) is None
    assert 'floats' in excess((side, side))
    assert excess((1, 1), dilation=23000) is None
    assert 'floats' in excess((1, 1), dilation=23500)
    assert excess((1, 1), dilation=(2**30 - 64, 1), kernel=3) is not None
    for name, size in itertools.product(('stride', 'padding', 'dilation'),
                                        (2**31, 2**64 + 1)):
        assert '32-bit' in excess((1, 1), **{name: size})
        assert '32-bit' in excess((1, 1), **{name: (1, size)})


@pytest.mark.parametrize('kernel', [1, 3, 5, 7])
@pytest.mark.parametrize('direct', [False, True])
def test_what_is_counted_covers_the_planes(kernel, direct, monkeypatch):
    for stride, dilation, (height, width) in itertools.product(
            (1, 2, 3, 9), (1, 2, 5), ((1, 1), (3, 40), (40, 3))):
        bases = None if direct else torch.ones(2, kernel, kernel)
        geometry = ConvGeometry.checked((stride, 2), 0, (1, dilation), 1)
        count = kernel**2 if direct else 2
        alpha = torch.empty(1, 3 * count, height, width)
        x = torch.empty(1, 1, 200, 200)
        plan = make_plan(x, alpha, 3, bases, alpha[:, :1], geometry)
        planes = plan.problem.phases * plan.problem.plane_rows * \
            plan.problem.plane_columns
        assert plan.arrays['tap_offsets'].max(initial=0) < planes
        monkeypatch.setattr(limits, 'MOST_FLOATS', planes - 1)
        limits._find_excess.cache_clear()
        shape = 1, 3, count, height, width
        assert find_excess(shape, bases, geometry)
    limits._find_excess.cache_clear()


def test_a_huge_dilation_is_served():
    x, bases = torch.ones(1, 1, 1, 1), fourier_bessel_bases((3, ), 6).float()
    alpha = torch.rand(1, 2, 6, 1, 1)
    weight = torch.rand(3, 2, 1, 1)
    geometry = ConvGeometry.checked(1, 23500, 23500, 1)
    arguments = x, alpha, bases, weight, geometry
    assert 'floats' in native.can_run(*arguments)
    assert choose_backend(None, *arguments)[0] != 'native'
    for name, reason in (('native', 'floats'), ('stock', 'pixels')):
        with pytest.raises(ValueError, match=reason):
            adaptive_conv2d(x, alpha, bases, weight, None, *geometry,
                            backend=name)
    # Too many for an unfold to be small, without the memory they would take.
    batch, others = 2**20, (alpha, bases, weight)
    many = [t.expand(batch, *t.shape[1:]) for t in (x, alpha)]
    assert choose_backend(None, *many, *others[1:], geometry)[0] == 'reference'
    # The only pixel is under the tap in the middle.
    taps = torch.einsum('bmjhw,j->bmhw', alpha, bases[:, 1, 1])
    expected = F.conv2d(taps, weight)
    torch.testing.assert_close(
        adaptive_conv2d(x, alpha, bases, weight, None, *geometry), expected)

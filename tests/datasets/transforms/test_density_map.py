"""The density map against its definition, head by head."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import TRANSFORMS

from mmacda.datasets.transforms import density_map, head_pixels

quick = settings(
    max_examples=100, deadline=None, derandomize=True, database=None)


@st.composite
def crowds(draw, most=6):
    """A small image and heads in it, on its border and outside."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    coordinate = st.floats(-9, 49, width=32)
    points = draw(st.lists(st.tuples(coordinate, coordinate), max_size=most))
    return np.array(points, np.float32).reshape(-1, 2), (height, width)


def definition(points, shape, kernel_size, sigma):
    """Each head adds a Gaussian on the window around it, scaled to 1."""
    density, reach = np.zeros(shape), kernel_size // 2
    for x, y in points:
        x, y = (int(np.clip(np.floor(p), 0, size - 1))
                for p, size in zip((x, y), shape[::-1]))
        head = np.zeros(shape)
        for row in range(max(0, y - reach), min(shape[0], y + reach + 1)):
            for column in range(
                    max(0, x - reach), min(shape[1], x + reach + 1)):
                distance = (row - y)**2 + (column - x)**2
                head[row, column] = np.exp(-distance / (2 * sigma**2))
        density += head / head.sum()
    return density


@quick
@given(crowds(), st.sampled_from([1, 3, 7, 15]), st.floats(0.5, 9))
def test_is_the_definition(crowd, kernel_size, sigma):
    points, shape = crowd
    density = density_map(points, shape, kernel_size, sigma)
    assert density.dtype == np.float32 and density.shape == shape
    np.testing.assert_allclose(
        density, definition(points, shape, kernel_size, sigma), atol=1e-6)


@quick
@given(crowds(most=60), st.integers(1, 9))
def test_sums_to_the_number_of_points(crowd, stride):
    points, shape = crowd
    density = density_map(points, shape, stride=stride)
    assert density.shape == tuple(-(-side // stride) for side in shape)
    assert (density >= 0).all()
    assert density.sum(dtype=np.float64) == pytest.approx(
        len(points), rel=1e-5, abs=1e-12)


@quick
@given(crowds(), st.integers(2, 5))
def test_a_stride_sums_blocks(crowd, stride):
    points, (height, width) = crowd
    full = density_map(points, (height, width))
    coarse = density_map(points, (height, width), stride=stride)
    for row in range(coarse.shape[0]):
        for column in range(coarse.shape[1]):
            block = full[row * stride:(row + 1) * stride,
                         column * stride:(column + 1) * stride]
            assert coarse[row, column] == pytest.approx(block.sum(), abs=1e-6)


def test_a_large_crowd_sums_up_in_float32():
    points = np.random.default_rng(0).uniform(-5, 1005, (20033, 2))
    assert density_map(points, (900, 1000)).sum() == pytest.approx(
        20033, rel=1e-4)


def test_known_values_of_the_kernel():
    """Computed independently: the normalised 15 x 15 Gaussian, sigma 4."""
    inside = density_map(np.array([[20., 20.]]), (41, 41))
    assert inside[20, 20] == pytest.approx(0.011260, abs=5e-7)
    assert inside[13:28, 13:28].sum() == pytest.approx(1, abs=1e-6)
    assert np.count_nonzero(inside) == 15 * 15
    # Cut off without rescaling, these would keep 0.553 and 0.306.
    edge = density_map(np.array([[0., 20.]]), (41, 41))
    corner = density_map(np.array([[0., 0.]]), (41, 41))
    assert edge[20, 0] == pytest.approx(0.011260 / 0.553, rel=1e-3)
    assert corner[0, 0] == pytest.approx(0.011260 / 0.306, rel=2e-3)


def test_heads_on_one_pixel_accumulate():
    once = density_map(np.array([[7.2, 3.1]]), (20, 20))
    thrice = density_map(np.array([[7.2, 3.1], [7.9, 3.9], [7, 3]]), (20, 20))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)


def test_head_pixels():
    points = np.array([[0, 0], [4.999, 2.5], [5, 3], [-7, 99], [4, -0.1]])
    assert head_pixels(points, (3, 5)).tolist() == [[0, 0], [4, 2], [4, 2],
                                                    [0, 2], [4, 0]]


def test_nobody():
    assert not density_map(np.zeros((0, 2)), (5, 7), stride=2).any()


def test_transform_is_the_function_on_the_root_registry():
    transform = TRANSFORMS.build(
        dict(type='GenerateDensityMap', kernel_size=5, sigma=1., stride=2))
    points = np.array([[3., 4.], [9., 9.]], np.float32)
    results = transform(dict(points=points, img_shape=(10, 11)))
    np.testing.assert_array_equal(results['gt_density'],
                                  density_map(points, (10, 11), 5, 1., 2))


@pytest.mark.parametrize('kwargs, message', [
    (dict(kernel_size=14), 'odd and positive, but got 14'),
    (dict(kernel_size=-1), 'odd and positive'),
    (dict(sigma=0), 'sigma must be positive'),
    (dict(sigma=float('nan')), 'sigma must be positive'),
    (dict(stride=0), 'stride must be at least 1'),
])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type='GenerateDensityMap', **kwargs))


def test_no_points_is_an_error_that_names_the_image():
    with pytest.raises(ValueError, match='needs the points of a.jpg'):
        TRANSFORMS.build(dict(type='GenerateDensityMap'))(
            dict(img_path='a.jpg', img_shape=(4, 4)))

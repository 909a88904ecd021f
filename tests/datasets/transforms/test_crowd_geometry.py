"""Image and heads stay together, and no head is lost or won."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import LoadImageFromFile
from mmcv.transforms.utils import cache_random_params
from mmengine.registry import TRANSFORMS

from mmacda.datasets.transforms import density_map, head_pixels

quick = settings(
    max_examples=60, deadline=None, derandomize=True, database=None)


def build(**cfg):
    return TRANSFORMS.build(cfg)


@st.composite
def scenes(draw):
    """Results of a pipeline; a few of the points are outside."""
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    coordinate = st.floats(-9, 69, width=32)
    points = draw(st.lists(st.tuples(coordinate, coordinate), max_size=9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return scene(height, width, points, rng)


def scene(height, width, points=(), rng=None):
    image = np.zeros((height, width, 3), np.uint8)
    if rng is not None:
        image = rng.integers(0, 256, image.shape, dtype=np.uint8)
    points = np.array(points, np.float32).reshape(-1, 2)
    return dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        points=points,
        gt_count=len(points))


def check(results, count):
    """What each transform and the steps after it have to keep."""
    assert results['img'].shape[:2] == tuple(results['img_shape'])
    assert results['points'].dtype == np.float32
    assert results['points'].shape == (count, 2)
    assert results['gt_count'] == count
    density = build(type='GenerateDensityMap')(results)['gt_density']
    assert density.shape == tuple(results['img_shape'])
    assert density.sum(dtype=np.float64) == pytest.approx(
        count, rel=1e-4, abs=1e-9)
    packed = build(type='PackCrowdInputs')(results)['data_samples']
    assert packed.gt_count == len(packed.gt_points) == count


KEEP_EVERYBODY = st.one_of(
    st.builds(
        lambda low, more, longer, divisor: dict(
            type='ResizeCrowd',
            shorter_side=(low, low + more),
            longer_side=longer,
            size_divisor=divisor),
        st.integers(1, 40), st.integers(0, 40),
        st.one_of(st.none(), st.integers(8, 90)), st.integers(1, 8)),
    st.builds(lambda low, more, side: dict(
        type='RandomScaleCrowd',
        ratio_range=(low, low + more),
        min_side=side), st.floats(0.1, 2), st.floats(0, 2),
              st.integers(1, 40)),
    st.builds(lambda prob, direction: dict(
        type='RandomFlipCrowd', prob=prob, direction=direction),
              st.floats(0, 1), st.sampled_from(
                  ['horizontal', 'vertical', 'diagonal'])))


@quick
@given(scenes(), st.lists(KEEP_EVERYBODY, max_size=3))
def test_everybody_is_kept(results, steps):
    count = results['gt_count']
    for step in steps:
        results = build(**step)(results)
    check(results, count)


@quick
@given(scenes(), st.integers(1, 50), st.integers(1, 50))
def test_a_crop_keeps_those_inside(results, height, width):
    crop = build(type='RandomCropCrowd', crop_size=(height, width))
    corners = []
    choose = crop._choose_corner

    def record(*args):
        corners.append(choose(*args))
        return corners[-1]

    crop._choose_corner = record
    shape, points = results['img_shape'], results['points']
    ratio = max(height / shape[0], width / shape[1], 1)
    results = crop(results)
    assert results['img_shape'] == (height, width)
    (top, left), = corners
    if ratio == 1:
        column, row = head_pixels(points, shape).T
        inside = ((row >= top) & (row < top + height) & (column >= left) &
                  (column < left + width))
        np.testing.assert_array_equal(
            results['points'], points[inside] - np.array([left, top], 'f'))
    check(results, len(results['points']))


@quick
@given(scenes())
def test_crops_that_tile_an_image_share_out_everybody(results):
    results['img'] = np.zeros((60, 60, 3), np.uint8)
    results['img_shape'] = (60, 60)
    crop, total = build(type='RandomCropCrowd', crop_size=20), 0
    for top in range(0, 60, 20):
        for left in range(0, 60, 20):
            crop._choose_corner = lambda *args, c=(top, left): c
            total += crop(dict(results))['gt_count']
    assert total == results['gt_count']


@quick
@given(scenes(), st.sampled_from(['horizontal', 'vertical', 'diagonal']))
def test_the_map_of_a_flip_is_the_flip_of_the_map(results, direction):
    flip = build(type='RandomFlipCrowd', prob=1., direction=direction)
    axes = dict(horizontal=(1, ), vertical=(0, ), diagonal=(0, 1))[direction]
    image, points = results['img'], results['points']
    before = density_map(points, results['img_shape'])
    results = flip(results)
    np.testing.assert_array_equal(results['img'], np.flip(image, axes))
    np.testing.assert_allclose(
        density_map(results['points'], results['img_shape']),
        np.flip(before, axes), atol=1e-7)
    np.testing.assert_allclose(flip(results)['points'], points, atol=1e-4)


def marked(height, width, heads):
    """A black image with a white pixel at each head."""
    results = scene(height, width, heads)
    for x, y in heads:
        results['img'][int(y), int(x)] = 255
    return results


@pytest.mark.parametrize('step', [
    dict(type='RandomFlipCrowd', prob=1.),
    dict(type='RandomFlipCrowd', prob=1., direction='vertical'),
    dict(type='RandomCropCrowd', crop_size=(30, 50)),
])
def test_heads_stay_on_their_pixels(step):
    np.random.seed(0)
    results = build(**step)(marked(60, 80, [(40, 30), (12, 5), (60, 50)]))
    assert 0 < results['gt_count'] <= 3
    rows, columns = np.nonzero(results['img'][..., 0])
    assert set(zip(columns, rows)) == set(
        map(tuple, head_pixels(results['points'], results['img_shape'])))


@pytest.mark.parametrize('step, ratios', [
    (dict(type='ResizeCrowd', shorter_side=(120, 120)), (2, 2)),
    (dict(type='ResizeCrowd', shorter_side=None, longer_side=40), (.5, .5)),
    (dict(type='ResizeCrowd', shorter_side=None, size_divisor=12),
     (84 / 80, 1)),
    (dict(type='RandomScaleCrowd', ratio_range=(1.5, 1.5)), (1.5, 1.5)),
])
def test_resizing_moves_heads_with_the_image(step, ratios):
    results = scene(60, 80, [(44, 34), (10, 20)])
    results['img'][32:36, 40:48] = 255  # centred at the first head
    results = build(**step)(results)
    assert results['img'].shape == (60 * ratios[1], 80 * ratios[0], 3)
    assert results['scale_factor'] == pytest.approx(ratios)
    np.testing.assert_allclose(results['points'],
                               np.array([[44, 34], [10, 20]]) * ratios)
    bright = results['img'][..., 0].astype(float)
    rows, columns = np.indices(bright.shape) + 0.5
    centre = [(columns * bright).sum() / bright.sum(),
              (rows * bright).sum() / bright.sum()]
    np.testing.assert_allclose(centre, results['points'][0], atol=0.3)


@pytest.mark.parametrize('shape, kwargs, expected', [
    # UCF-QNRF: the shorter side into [512, 2048], else left alone.
    ((300, 400), {}, (512, 683)),
    ((600, 9000), {}, (600, 9000)),
    ((4096, 5000), {}, (2048, 2500)),
    # A limit of the longer side has the last word.
    ((600, 3000), dict(longer_side=2000), (400, 2000)),
    ((100, 1000), dict(longer_side=2000), (200, 2000)),
    # Multiples, and never beyond the limit.
    ((700, 1003), dict(size_divisor=16), (704, 1008)),
    ((512, 1000), dict(longer_side=1000, size_divisor=16), (512, 992)),
])
def test_resize_rules(shape, kwargs, expected):
    results = build(
        type='ResizeCrowd', interpolation='nearest', **kwargs)(
            scene(*shape))
    assert results['img_shape'] == results['img'].shape[:2] == expected


def test_small_images_are_enlarged_until_the_crop_fits():
    """The shorter side becomes the crop's, the aspect ratio stays."""
    results = build(
        type='RandomCropCrowd', crop_size=256)(
            scene(100, 400, [(100, 50)] * 3))
    assert results['img_shape'] == (256, 256)
    assert results['scale_factor'] == pytest.approx((2.56, 2.56), rel=1e-3)
    results = build(
        type='RandomCropCrowd', crop_size=(64, 200))(
            scene(64, 100, [(50, 32)]))
    assert results['points'][:, 0].tolist() == [100]


def test_scaling_leaves_small_images_alone():
    scale = build(
        type='RandomScaleCrowd', ratio_range=(0.5, 0.5), min_side=128)
    assert scale(scene(254, 400))['img_shape'] == (254, 400)
    assert scale(scene(256, 400))['img_shape'] == (128, 200)


def test_inference_needs_no_points():
    results = scene(50, 70)
    del results['points'], results['gt_count']
    for step in (dict(type='ResizeCrowd', shorter_side=(64, 64)),
                 dict(type='RandomScaleCrowd', ratio_range=(1.1, 1.1)),
                 dict(type='RandomFlipCrowd', prob=1.),
                 dict(type='RandomCropCrowd', crop_size=90)):
        results = build(**step)(results)
    packed = build(type='PackCrowdInputs')(results)
    assert packed['inputs'].shape == (3, 90, 90)
    assert 'gt_count' not in packed['data_samples']


def test_randomness_can_be_shared_as_in_mmcv():
    steps = [
        build(type='RandomScaleCrowd'),
        build(type='RandomCropCrowd', crop_size=16),
        build(type='RandomFlipCrowd')
    ]
    rng = np.random.default_rng(1)
    shared = scene(40, 50, [(20, 20)], rng)
    with cache_random_params(steps):
        outputs = []
        for _ in range(3):
            results = dict(shared)
            for step in steps:
                results = step(results)
            outputs.append(results['img'])
    assert all((outputs[0] == output).all() for output in outputs)


def test_numpy_s_seed_decides():
    def crop(seed):
        np.random.seed(seed)
        rng = np.random.default_rng(0)
        return build(
            type='RandomCropCrowd', crop_size=8)(scene(90, 90, [], rng))['img']

    assert (crop(1) == crop(1)).all() and (crop(1) != crop(2)).any()


@pytest.mark.parametrize('name', [
    'ResizeCrowd', 'RandomScaleCrowd', 'RandomFlipCrowd', 'RandomCropCrowd'
])
def test_a_density_map_cannot_be_moved(name):
    kwargs = dict(
        ResizeCrowd={},
        RandomScaleCrowd=dict(ratio_range=(2, 2)),
        RandomFlipCrowd=dict(prob=1.),
        RandomCropCrowd=dict(crop_size=8))[name]
    results = build(type='GenerateDensityMap')(scene(20, 20, [(4, 4)]))
    with pytest.raises(ValueError, match='must come after every transform'):
        build(type=name, **kwargs)(results)


@pytest.mark.parametrize('cfg, message', [
    (dict(type='ResizeCrowd', shorter_side=(9, 8)), 'least <= greatest'),
    (dict(type='ResizeCrowd', shorter_side=(0, 8)), '0 < least'),
    (dict(type='ResizeCrowd', size_divisor=0), 'at least 1'),
    (dict(type='ResizeCrowd', longer_side=8, size_divisor=16), 'at least 16'),
    (dict(type='RandomScaleCrowd', ratio_range=(2, 1)), 'least <= greatest'),
    (dict(type='RandomCropCrowd', crop_size=0), 'positive integers'),
    (dict(type='RandomCropCrowd', crop_size=(8, 8, 8)), 'one or two'),
])
def test_bad_arguments(cfg, message):
    with pytest.raises(ValueError, match=message):
        build(**cfg)


def test_pack_keeps_bgr_bytes_and_metainfo():
    rng = np.random.default_rng(0)
    results = scene(4, 6, [(1, 2)], rng)
    results.update(img_path='a.jpg', sample_idx=3, other=1)
    packed = build(type='PackCrowdInputs')(dict(results))
    assert packed['inputs'].dtype.is_floating_point is False
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0),
                                  results['img'])
    sample = packed['data_samples']
    assert sample.gt_points.tolist() == [[1, 2]] and sample.gt_count == 1
    assert set(sample.metainfo_keys()) == {
        'img_path', 'sample_idx', 'ori_shape', 'img_shape'
    }
    with pytest.raises(ValueError, match='of shape .H, W, C.'):
        build(type='PackCrowdInputs')(dict(img=results['img'][..., 0]))


def test_mmcv_s_loader_is_on_the_root_registry():
    assert TRANSFORMS.get('LoadImageFromFile') is LoadImageFromFile

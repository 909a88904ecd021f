"""Drawn crowds: exact, reproducible, written once and read as ShanghaiTech."""
import hashlib
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmacda.datasets.crowd import synthetic_crowd
from mmacda.datasets.crowd.synthetic_figures import person
from mmacda.datasets.crowd.synthetic_scene import Canvas, draw_scene
from tests.crowd_layouts import build_dataset
from tests.forks import run_forks

SMALL = dict(
    type='SyntheticCrowd',
    num_images=dict(train=3, test=1),
    image_size=(128, 96),
    people=(5, 20))


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.md5(
            path.read_bytes()).hexdigest()
        for path in sorted(Path(root).rglob('*')) if path.is_file()
    }


def build(root, **kwargs):
    return build_dataset({**SMALL, 'data_root': str(root), **kwargs})


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Three training images and one to test."""
    folder = tmp_path_factory.mktemp('synthetic')
    build(folder)
    return folder


def test_reproducible_bit_for_bit(root, tmp_path):
    build(tmp_path, split='test')
    assert digests(tmp_path) == digests(root)
    assert len(digests(root)) == 2 * (3 + 1)


def test_the_seed_decides_and_goes_to_another_folder(root):
    before = digests(root)
    build(root, seed=1)
    after = digests(root)
    assert before.items() <= after.items()
    assert len(set(after.values())) == 16  # no file like another


def test_an_image_does_not_depend_on_how_many_there_are(root):
    few = build(root, num_images=dict(train=1, test=1))
    assert digests(few.data_root).items() <= digests(
        build(root).data_root).items()


def test_is_read_by_shanghaitech_s_own_reader(root):
    ours = build(root)
    theirs = DATASETS.build(
        dict(type='ShanghaiTech', part='A', data_root=ours.data_root))
    assert len(ours) == len(theirs) == 3
    for i in range(3):
        a, b = ours.get_data_info(i), theirs.get_data_info(i)
        assert a['img_path'] == b['img_path']
        np.testing.assert_array_equal(a['points'], b['points'])
        assert a['head_sizes'].shape == (a['gt_count'], )


def test_the_point_is_the_centre_of_the_head():
    """A lone head drawn on nothing has its centre of mass at its point."""
    light = np.array([0, 0, 1.])
    for size in (4, 11, 60):
        at = np.array([70.3, 50.6])
        head, *body = person((160, 140), at, size, light,
                             np.random.default_rng(0))
        rows, columns = head.window
        v, u = np.mgrid[rows, columns] + 0.5
        above = (v < at[1] + 0.25 * size) & (v > at[1] - 0.55 * size)
        weight = head.opacity[..., 0] * above
        assert (u * weight).sum() / weight.sum() == pytest.approx(
            at[0], abs=0.05 * size)
        tall = weight.max(1) > 0.5  # rows of the upper three quarters
        assert v[tall].min() == pytest.approx(at[1] - 0.5 * size, abs=1)


def test_points_match_the_scene_and_perspective_is_strong():
    for number in range(3):
        rng = np.random.default_rng([7, number])
        scene = draw_scene(rng, (384, 288), (60, 100))
        assert scene.image.shape == (288, 384, 3)
        assert scene.image.dtype == np.uint8 and scene.image.std() > 15
        assert 40 < len(scene.points) == len(scene.head_sizes) <= 100
        assert (scene.points >= 0).all()
        assert (scene.points < (384, 288)).all()
        # From 4 to about 60 pixels, larger towards the viewer.
        assert scene.head_sizes.min() == 4
        assert 52 <= scene.head_sizes.max() <= 64
        rank = np.corrcoef(scene.points[:, 1], scene.head_sizes)[0, 1]
        assert rank > 0.9


def test_nobody_is_hidden():
    """Behind a body there is no room for a head."""
    canvas = Canvas((200, 200))
    head = np.array([100., 60.])
    assert canvas.visible(head, 40) == pytest.approx(1, abs=0.02)
    for patch in person((200, 200), head, 40, np.array([0, 0, 1.]),
                        np.random.default_rng(0)):
        canvas.put_behind(patch)
    assert canvas.visible(head, 40) < 0.05
    assert canvas.visible(head + [0, 60], 10) < 0.05
    assert canvas.visible(head + [90, 0], 10) == pytest.approx(1, abs=0.05)
    assert canvas.visible((0, 100), 40) == pytest.approx(0.5, abs=0.05)


def test_counts_vary():
    counts = [
        len(draw_scene(np.random.default_rng(i), (192, 144), (5, 60)).points)
        for i in range(12)
    ]
    assert min(counts) >= 5 and max(counts) <= 60
    assert max(counts) > 3 * min(counts)


def test_is_written_once(root):
    folder = Path(build(root).data_root)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    build(root, split='test')
    assert stamps == {
        path: path.stat().st_mtime_ns for path in folder.rglob('*')}


def test_two_processes_at_once(tmp_path):
    start = multiprocessing.get_context('fork').Barrier(2, timeout=60)
    folder = str(tmp_path / 'crowd')

    def write():
        start.wait()
        synthetic_crowd.write_synthetic_crowd(
            folder, dict(train=2, test=1), (64, 64), (2, 5), 0)

    run_forks(write, tmp_path, 2 * [{}])
    assert os.listdir(tmp_path) == ['crowd']  # and no draft is left
    assert len(digests(folder)) == 6


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    real, calls = synthetic_crowd.draw_scene, []

    def interrupt(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(synthetic_crowd, 'draw_scene', interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path)
    assert os.listdir(tmp_path) == []
    assert len(build(tmp_path)) == 3


def test_images_are_what_was_drawn(root):
    """Apart from what JPEG does to them."""
    scene = draw_scene(np.random.default_rng([0, 0, 1]), (128, 96), (5, 20))
    sample = build(root).get_data_info(0)
    stored = cv2.imread(sample['img_path'])
    assert np.abs(stored.astype(int) - scene.image).mean() < 6
    np.testing.assert_array_equal(sample['points'], scene.points)
    np.testing.assert_array_equal(sample['head_sizes'], scene.head_sizes)


@pytest.mark.parametrize('kwargs, message', [
    (dict(num_images=dict(train=3)), 'num_images must give'),
    (dict(num_images=dict(train=3, test=0)), 'num_images must give'),
    (dict(image_size=(32, 96)), 'at least 64 pixels'),
    (dict(people=(0, 5)), '1 <= least <= greatest'),
    (dict(people=(9, 5)), '1 <= least <= greatest'),
    (dict(split='val'), 'without a val split'),
])
def test_bad_arguments(kwargs, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        DATASETS.build({**SMALL, 'data_root': str(tmp_path), **kwargs})
    assert os.listdir(tmp_path) == []

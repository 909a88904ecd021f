"""The toy scene of Section 3.3: what is drawn, and what a shift does."""
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmacda.datasets.patterns import PATTERNS, MultiScalePatterns, pattern


def scene(**kwargs):
    sample = MultiScalePatterns(**kwargs)[0]
    return sample['inputs'][0].numpy(), sample['target'][0].numpy()


def test_target_marks_the_centre_of_every_pattern():
    image, target = scene(noise=0.)
    centres = np.argwhere(target)
    assert target.sum() == len(centres) == 25
    rebuilt, sizes = np.zeros_like(image), set()
    for y, x in centres:
        side = max(
            side for side in PATTERNS
            if (image[y - side // 2:y + side // 2 + 1, x - side // 2:x +
                      side // 2 + 1] == pattern(side)).all())
        sizes.add(side)
        rebuilt[y - side // 2:y + side // 2 + 1,
                x - side // 2:x + side // 2 + 1] += pattern(side)
    assert sizes == set(PATTERNS)  # all three scales
    np.testing.assert_array_equal(rebuilt, image)


def test_shift_moves_the_whole_scene():
    image, target = scene()
    moved_image, moved_target = scene(shift=20)
    np.testing.assert_array_equal(moved_image[20:, 20:], image[:-20, :-20])
    np.testing.assert_array_equal(moved_target[20:, 20:], target[:-20, :-20])
    assert moved_target.sum() == 25  # nothing wraps around


def test_the_seed_decides():
    np.testing.assert_array_equal(scene(seed=1)[0], scene(seed=1)[0])
    assert (scene(seed=1)[0] != scene(seed=2)[0]).any()
    noise = scene(num_patterns=0)[0]
    assert noise.std() == pytest.approx(0.1, rel=0.05)


def test_is_built_by_name():
    assert len(DATASETS.build(dict(type='MultiScalePatterns'))) == 1


@pytest.mark.parametrize('kwargs, message', [
    (dict(size=24), 'do not fit'),
    (dict(size=64, num_patterns=60), '60 patterns do not fit'),
    (dict(shift=21), 'shift must lie between 0 and 20'),
])
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MultiScalePatterns(**kwargs)

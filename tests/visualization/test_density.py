"""Overlays: brighter where more people are, on one scale of colours."""
import numpy as np
import pytest
from PIL import Image

from mmacda.visualization.density import (BAR, draw_densities, overlay_density,
                                          save_picture, side_by_side)

GREY = np.full((40, 60, 3), 120, np.uint8)


def luminance(picture):
    return picture.astype(float) @ [0.299, 0.587, 0.114]


def test_brightness_follows_the_density():
    density = np.tile(np.linspace(0.2, 1, 60, dtype=np.float32), (40, 1))
    rows = luminance(overlay_density(GREY, density)).mean(0)
    assert (np.diff(rows) > -0.5).all() and rows[-1] > 200 > 100 > rows[0]


def test_nobody_is_the_darkened_image():
    picture = overlay_density(GREY, np.zeros((40, 60)))
    np.testing.assert_array_equal(picture, GREY * 0.6)
    assert picture.dtype == np.uint8


def test_peak_sets_the_scale():
    density = np.full((40, 60), 0.5)
    np.testing.assert_array_equal(
        overlay_density(GREY, density, peak=1.),
        overlay_density(GREY, density / 2, peak=0.5))
    np.testing.assert_array_equal(
        overlay_density(GREY, density, peak=0.1),
        overlay_density(GREY, density))


@pytest.mark.parametrize('shape, panel', [
    ((40, 60), (171, 256)), ((300, 500), (300, 500)),
    ((3000, 1500), (1024, 512)), ((1, 4000), (1, 1024))
])
def test_panels_stand_side_by_side(shape, panel):
    image = np.zeros((*shape, 3), np.uint8)
    density = np.zeros(shape, np.float32)
    picture = draw_densities(image, {'a': density, 'b': density})
    height, width = panel
    assert picture.shape == (height + 28, 3 * width + BAR, 3)


def test_panels_share_the_first_map_s_scale():
    density = np.zeros((300, 300), np.float32)
    density[100:200, 100:200] = 1
    image = np.zeros((300, 300, 3), np.uint8)
    picture = draw_densities(image, dict(a=density, b=density / 4))
    first, second = (luminance(picture[178, 300 * n + 150]) for n in (1, 2))
    assert first > second + 50
    alone = draw_densities(image, dict(b=density / 4))
    np.testing.assert_array_equal(alone[178, 450], picture[178, 450])


def test_titles_are_written():
    image, density = np.zeros((300, 300, 3), np.uint8), np.zeros((300, 300))
    one, other = (
        draw_densities(image, {title: density})
        for title in ('count: 1', 'count: 2'))
    changed = (one != other).any(2)
    assert changed[:28, 300:].any() and not changed[28:].any()


def test_the_bar_shows_the_colours_of_the_maps():
    density = np.zeros((300, 300), np.float32)
    density[100:200] = 1
    image = np.zeros((300, 300, 3), np.uint8)
    bar = draw_densities(image, dict(a=density))[:, -BAR:]
    colours = bar[28 + 6:-6, 10]  # from the peak down to nobody
    np.testing.assert_array_equal(
        colours[0], overlay_density(image, density)[150, 150])
    assert (np.diff(luminance(colours)) < 0.5).all()
    # Twice the density: other numbers on the same colours.
    other = draw_densities(image, dict(a=2 * density))[:, -BAR:]
    np.testing.assert_array_equal(bar[:, :20], other[:, :20])
    assert (bar != other).any()


def test_pictures_get_the_size_of_one_of_them():
    small = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = np.full((4, 4, 3), 9, np.uint8)
    picture = side_by_side(dict(input=small, restored=large), 'restored')
    assert picture.shape == (28 + 4, 8, 3)
    np.testing.assert_array_equal(picture[28:, :4],
                                  small.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(picture[28:, 4:], large)


def test_saved_whole_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    path = tmp_path / 'new' / 'picture.png'
    save_picture(picture, str(path))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)
    with pytest.raises(OSError, match='picture.unknown'):
        save_picture(picture, str(path.with_suffix('.unknown')))
    assert [p.name for p in path.parent.iterdir()] == ['picture.png']

"""Tiles cover the image once, with context around each."""
import numpy as np
import pytest

from mmacda.io.tiling import scale_window, tile_image

CASES = [((100, 70), 48, 8, 4), ((64, 64), 48, 8, 4), ((65, 10), 64, 0, 1),
         ((333, 129), 64, 17, 16), ((1, 1), 1, 2, 1), ((97, 200), 3, 24, 2),
         ((40, 30), None, 16, 16), ((7, 9), 100, 3, 4)]


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_tiles_cover_the_image_once(shape, tile, overlap, multiple):
    covered = np.zeros(shape, int)
    for piece in tile_image(shape, tile, overlap, multiple):
        covered[piece.inner] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_tiles_have_their_side_and_context(shape, tile, overlap, multiple):
    """The side is the tile's own, whatever the context."""
    for piece in tile_image(shape, tile, overlap, multiple):
        for outer, inner, length in zip(*piece, shape):
            side = -(-(tile or length) // multiple) * multiple
            assert inner.stop - inner.start == min(side, length - inner.start)
            assert outer.start % multiple == inner.start % multiple == 0
            assert inner.start - outer.start >= min(overlap, inner.start)
            assert outer.stop - inner.stop >= min(overlap,
                                                  length - inner.stop)
            assert outer.start >= 0 and outer.stop <= length


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_inner_of_outer_is_the_tile(shape, tile, overlap, multiple):
    image = np.arange(shape[0] * shape[1]).reshape(shape)
    large = image.repeat(3, 0).repeat(3, 1)
    for piece in tile_image(shape, tile, overlap, multiple):
        np.testing.assert_array_equal(
            image[piece.outer][piece.inner_of_outer], image[piece.inner])
        np.testing.assert_array_equal(
            large[scale_window(piece.outer, 3)][scale_window(
                piece.inner_of_outer, 3)], large[scale_window(
                    piece.inner, 3)])


@pytest.mark.parametrize('tile', [64, 100, None])
def test_what_fits_is_not_cut(tile):
    piece, = tile_image((64, 60), tile, 16, 16)
    assert piece.outer == piece.inner == (slice(0, 64), slice(0, 60))


@pytest.mark.parametrize('tile, overlap, words', [
    (0, 32, 'tile must be positive, but got 0'),
    (-5, 32, 'tile must be'), (10, -1, 'overlap must not be negative')])
def test_senseless_tiles(tile, overlap, words):
    with pytest.raises(ValueError, match=words):
        tile_image((1000, 1000), tile, overlap, 16)

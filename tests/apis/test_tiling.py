"""Tiles: their inner parts cover the image once, with context."""
import numpy as np
import pytest

from mmacda.apis.tiling import tile_image

CASES = [((100, 70), 64, 8, 4), ((64, 64), 64, 8, 4), ((65, 10), 64, 0, 1),
         ((333, 129), 96, 17, 16), ((1, 1), 5, 2, 1), ((97, 200), 50, 24, 2)]


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_inner_parts_cover_the_image_once(shape, tile, overlap, multiple):
    covered = np.zeros(shape, int)
    for piece in tile_image(shape, tile, overlap, multiple):
        covered[piece.inner] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_pieces_fit_and_have_context(shape, tile, overlap, multiple):
    for piece in tile_image(shape, tile, overlap, multiple):
        for outer, inner, length in zip(*piece, shape):
            assert outer.stop - outer.start <= tile
            assert outer.start % multiple == inner.start % multiple == 0
            assert inner.start - outer.start >= min(overlap, inner.start)
            assert outer.stop - inner.stop >= min(overlap,
                                                  length - inner.stop)


@pytest.mark.parametrize('shape, tile, overlap, multiple', CASES)
def test_inner_of_outer_is_the_inner_part(shape, tile, overlap, multiple):
    image = np.arange(shape[0] * shape[1]).reshape(shape)
    for piece in tile_image(shape, tile, overlap, multiple):
        np.testing.assert_array_equal(
            image[piece.outer][piece.inner_of_outer], image[piece.inner])


def test_what_fits_is_not_cut():
    piece, = tile_image((64, 60), 64, 16, 16)
    assert piece.outer == piece.inner == (slice(0, 64), slice(0, 60))


@pytest.mark.parametrize('tile, overlap', [(64, 32), (64, 30), (10, -1)])
def test_tiles_without_an_inner_part(tile, overlap):
    with pytest.raises(ValueError, match=f'tiles of {tile} pixels'):
        tile_image((1000, 1000), tile, overlap, 16)

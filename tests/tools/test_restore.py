"""Where restored photographs go is settled before anything is computed."""
import numpy as np
import pytest
from PIL import Image

from mmacda.io.tiling import check_tile
from tools.restore import make_parser, plan


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('a/x.png', 'b/x.png', 'a/y.gif'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize('inputs, out, expected', [
    (['a/x.png'], 'new.jpg', ['new.jpg']),
    (['a/x.png'], 'b', ['b/x.png']),
    (['a/x.png', 'b/x.png'], 'o', ['o/x.png', 'o/x_1.png']),
    (['a'], 'o', ['o/x.png', 'o/y.png']),
    (['a'], 'a', ['a/x_1.png', 'a/y.png']),
])
def test_plans(photos, inputs, out, expected):
    assert [path for _, path in plan(inputs, out)] == expected
    assert not (photos / 'o').exists()


@pytest.mark.parametrize('inputs, out, words', [
    (['missing.png'], 'x.png', 'missing.png does not exist'),
    (['a'], 'x.png', 'must be a folder'),
    (['a/x.png'], 'x.jp', 'must end in'),
    (['a/x.png'], 'a/x.png', 'is an input, which is never replaced'),
    (['a'], 'b/x.png/o', 'is not a folder'),
])
def test_refusals(photos, inputs, out, words):
    with pytest.raises((OSError, ValueError), match=words):
        plan(inputs, out)


def test_arguments():
    args = make_parser().parse_args(
        ['p', '--out', 'o', '--config', __file__, '--checkpoint', __file__,
         '--tile', '-4'])
    with pytest.raises(ValueError, match='tile must be positive'):
        check_tile(args.tile, args.overlap)

"""Figures are written whole, and hold what they were given."""
import numpy as np
import pytest

pytest.importorskip('matplotlib')
from mmacda.visualization import figures  # noqa: E402


def test_detection_has_a_row_per_input_and_one_scale(tmp_path):
    row = {'input': np.zeros((8, 9)), 'Conv': np.full((8, 9), 0.3)}
    figure = figures.draw_detection([row, row], ['still', 'shifted'])
    images = [image for axis in figure.axes for image in axis.images]
    assert [axis.get_title() for axis in figure.axes[:4]] == list(row) * 2
    assert figure.axes[0].get_ylabel() == 'still'
    np.testing.assert_array_equal(images[1].get_array(), row['Conv'])
    assert images[1].get_clim() == images[3].get_clim() == (0, 1)
    path = tmp_path / 'new' / 'figure.png'
    figures.save_figure(figure, str(path))
    assert path.read_bytes().startswith(b'\x89PNG')
    assert [p.name for p in path.parent.iterdir()] == ['figure.png']


def test_curves_show_mean_and_range():
    values = np.array([[4., 2.], [8., 4.]])
    figure = figures.draw_curves({'LeNet': values}, 'epoch', 'error in %')
    line, = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2])
    np.testing.assert_array_equal(line.get_ydata(), [6, 3])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == 8 and band[:, 1].min() == 2

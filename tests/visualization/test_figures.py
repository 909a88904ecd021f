"""Figures are written whole, and hold what they were given."""
import numpy as np
import pytest

pytest.importorskip('matplotlib')
from mmacda.visualization import (coefficient_figures, figures,  # noqa: E402
                                  measurement_figures)


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


def test_scale_maps_of_a_layer_share_their_colours():
    energies = {3: np.full((4, 5), 1.), 5: np.full((4, 5), 3.)}
    figure = coefficient_figures.draw_scale_maps(
        dict(conv1=energies, conv2={3: np.eye(2)}), np.zeros((8, 10)))
    axes = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in axes] == [
        'image', 'scale 3: 25% of the energy', 'scale 5: 75% of the energy',
        'image', 'scale 3: 100% of the energy']
    for axis, energy in zip(axes[1:3], energies.values()):
        np.testing.assert_array_equal(axis.images[0].get_array(), energy)
        assert axis.images[0].get_clim() == (0, 3)
    assert axes[4].images[0].get_clim() == (0, 1)


def test_ablation_shows_both_sweeps():
    results = {(m, s): dict(PSNR=30 + m / 10, SSIM=.8 + s / 100)
               for m, s in ((3, 3), (9, 3), (6, 1), (6, 3))}
    figure = measurement_figures.draw_ablation(results)
    atoms, scales = figure.axes[:2]
    np.testing.assert_allclose(atoms.lines[0].get_xydata(),
                               [(3, 30.3), (6, 30.6), (9, 30.9)])
    np.testing.assert_allclose(scales.lines[0].get_xydata(),
                               [(1, 30.6), (3, 30.6)])
    assert len(atoms.lines) == len(scales.lines) == 1
    assert [axis.get_ylabel() for axis in figure.axes[::2]] == [
        'PSNR in dB', 'SSIM']

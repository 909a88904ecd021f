"""Figures are written whole, and hold what they were given."""
import io

import numpy as np
import pytest

from PIL import Image

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


def test_every_curve_is_drawn_in_a_look_of_its_own():
    values = np.array([[4., 2.]])
    axis, = figures.draw_curves(
        {str(n): values + n for n in range(16)}, 'epoch', 'error').axes
    assert [line.get_label() for line in axis.lines] == [
        str(n) for n in range(16)]
    assert len({(line.get_color(), line.get_linestyle())
                for line in axis.lines}) == 16


@pytest.mark.parametrize('least, scale', [(3., 'log'), (8., 'linear'),
                                          (0., 'linear')])
def test_values_of_many_magnitudes_have_a_logarithmic_axis(least, scale):
    values = np.array([[110., 20., least]])
    axis, = figures.draw_curves({'one': values}, 'epoch', 'MAE').axes
    assert axis.get_yscale() == scale
    low, high = axis.get_ylim()
    assert low <= least and high >= 110


def test_a_logarithmic_axis_has_plain_numbers():
    values = np.array([[60., 20., 2.7]])
    axis, = figures.draw_curves({'one': values}, 'epoch', 'error').axes
    axis.figure.canvas.draw()
    labels = [text.get_text() for text in axis.get_yticklabels(which='both')]
    assert {'10', '20'} <= set(labels)
    assert all(label.isdigit() for label in labels if label)


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


def small_figure():
    figure = figures.new_figure(2, 1)
    figure.subplots().set_title('a readable title')
    return figure


@pytest.mark.parametrize('ending', figures.FORMATS)
def test_the_ending_chooses_the_format(tmp_path, ending):
    beginning = {'.png': b'\x89PNG', '.jpg': b'\xff\xd8', '.jpeg': b'\xff\xd8',
                 '.pdf': b'%PDF', '.svg': b'<?xml'}[ending]
    paths = [tmp_path / f'{name}{ending.upper()}' for name in 'ab']
    for path in paths:
        figures.save_figure(small_figure(), str(path))
    content = paths[0].read_bytes()
    assert content.startswith(beginning)
    assert content == paths[1].read_bytes()  # no dates, no random names
    if ending in ('.png', '.jpg', '.jpeg'):
        picture = Image.open(io.BytesIO(content))
        assert picture.size == (600, 300)  # 2 by 1 inches at 300
        assert [round(float(n)) for n in picture.info['dpi']] == [300, 300]
    elif ending == '.svg':
        text = content.decode('utf-8')
        assert 'a readable title' in text and '<image' not in text
    else:
        assert b'/Type0' in content or b'/CIDFontType2' in content
        assert b'/Subtype /Image' not in content and b'/Type3' not in content


def test_dpi_and_unknown_endings(tmp_path):
    figures.save_figure(small_figure(), str(tmp_path / 'a.png'), 50)
    assert Image.open(tmp_path / 'a.png').size == (100, 50)
    for name in ('a.gif', 'a', 'a.pngg'):
        with pytest.raises(ValueError, match='must end in one of .png, .jpg'):
            figures.save_figure(small_figure(), str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def bars(figure):
    """Labels of all colour bars."""
    return [axis.get_ylabel() for axis in figure.axes
            if axis.get_label() == '<colorbar>']


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in (
        axis.xaxis.label, axis.yaxis.label, axis.title, *axis.texts)]


def test_colours_have_units_and_crops_their_size():
    fields = np.zeros((2, 20, 30))
    fields[:, 5, 6] = 3.
    figure = coefficient_figures.draw_receptive_fields(
        np.zeros((20, 30, 3)), fields, [(5., 6., 0.), (5., 6., 2.)],
        [{3: .25, 5: .75}] * 2)
    assert bars(figure) == ['norm of the gradient,\nrelative to its largest']
    first = figure.axes[1]
    assert first.get_xlim() == (-2.5, 14.5)  # 8 pixels around column 6
    assert '17 x 17 pixels' in first.get_xlabel()
    assert first.images[0].get_array().max() == 1
    # Two circles and two frames of crops.
    assert len(figure.axes[0].patches) == 4

    sets = {3: np.eye(9).reshape(9, 3, 3), 5: 2 * np.eye(25).reshape(25, 5, 5)}
    figure = coefficient_figures.draw_bases(sets, 2)
    assert bars(figure) == ['value', 'value']
    shown = [axis.images[0].get_clim() for axis in figure.axes if axis.images]
    assert shown == [(-1, 1)] * 9 + [(-2, 2)] * 25

    figure = coefficient_figures.draw_decomposition(
        np.eye(3), np.ones(2), np.ones((2, 3, 3)), np.ones((2, 4)),
        np.ones((4, 3, 3)), (3, 3, 3, 3), 'layer')
    assert sorted(bars(figure)) == [
        'of its largest', 'value of atoms', 'weight of a pixel']
    assert '3 x 3 pixels' in texts(figure)


def test_diversity_tells_scales_and_errors_apart():
    layers = {
        name: {str(scale): (.5 + .01 * scale, .001)
               for scale in (3, 5, 7, 9, 11)}
        for name in ('conv1', 'conv2')}
    layers['conv2']['11'] = (float('nan'), float('nan'))
    figure = measurement_figures.draw_diversity(layers, 'all images')
    axis, = figure.axes
    points = [container.lines[0] for container in axis.containers]
    styles = {(line.get_marker(), line.get_color()) for line in points}
    assert len(styles) == 5
    # No two on one line, the error over the hollow marker, in another colour.
    assert len({line.get_ydata()[0] for line in points}) == 10
    assert all(line.get_markerfacecolor() == 'none' for line in points)
    error = axis.containers[0].lines[2][0]
    np.testing.assert_allclose(
        error.get_segments()[0][:, 0], [.529, .531], atol=1e-9)
    assert tuple(error.get_colors()[0]) == (0, 0, 0, 1)
    low, high = axis.get_xlim()
    assert low < .529 and high > .611
    assert '0.5300 \u00b1 0.0010' in texts(figure)
    assert texts(figure).count('no value') == 1


@pytest.mark.parametrize('low, high, from_zero', [(10., 40., True),
                                                  (26.0, 26.2, False)])
def test_curves_fill_their_axis(low, high, from_zero):
    values = np.linspace(low, high, 3)[None]
    axis, = figures.draw_curves({'one': values}, 'step', 'dB').axes
    bottom, top = axis.get_ylim()
    assert (bottom == 0) == from_zero
    assert high - low > 0.5 * (top - bottom)
    assert all(tick == round(tick) for tick in axis.get_xticks())

"""One look: whatever the user's settings, labels on every axis."""
import inspect

import numpy as np
import pytest

pytest.importorskip('matplotlib')
from matplotlib import colormaps, rc_context  # noqa: E402

from mmacda.visualization import (coefficient_figures, figures,  # noqa: E402
                                  head_sizes, look, measurement_figures,
                                  restoration_figures)
from mmacda.visualization.density import draw_densities  # noqa: E402

MODULES = (coefficient_figures, figures, head_sizes, measurement_figures,
           restoration_figures)
OTHERS = {'font.family': 'monospace', 'font.size': 20, 'axes.labelsize': 30,
          'xtick.labelsize': 25, 'image.cmap': 'jet'}


def draw_all():
    rng = np.random.default_rng(0)
    yield figures.draw_curves({'one': rng.random((2, 5))}, 'epoch',
                              'test error in %')
    yield measurement_figures.draw_ablation(
        {(m, 3): dict(PSNR=27. + m, SSIM=0.7) for m in (3, 6)})
    yield measurement_figures.draw_diversity(
        {'conv1': {'3': (0.9, 0.01), 'mean': (0.8, 0.02)}}, 'test images')
    yield head_sizes.draw_head_scales(
        np.arange(5, 25.), {'layer': head_sizes.HeadScales(
            (3, 5), rng.random((20, 2)))}, {'layer': 0.5})


def test_every_axis_has_a_name_in_our_font():
    with rc_context(OTHERS):
        for figure in draw_all():
            figure.canvas.draw()
            ticks = figure.axes[0].get_yticklabels()
            assert ticks[0].get_text().isidentifier() or any(
                axis.get_ylabel() for axis in figure.axes)
            for axis in figure.axes:
                assert axis.get_xlabel()
                assert axis.xaxis.label.get_size() == \
                    look.LOOK['axes.labelsize']
                assert look.FONT in axis.xaxis.label.get_fontname()


def test_ticks_are_ours_where_a_figure_is_written(tmp_path):
    with rc_context(OTHERS):
        figure = next(draw_all())
        figures.save_figure(figure, str(tmp_path / 'a.svg'))
    text = (tmp_path / 'a.svg').read_text(encoding='utf-8')
    assert 'monospace' not in text and look.FONT in text
    assert f'{look.SMALL}px' in text and '25px' not in text


@pytest.mark.parametrize('module', MODULES, ids=lambda m: m.__name__)
def test_every_drawing_function_has_the_look(module):
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith('draw_') and function.__module__ == module.__name__:
            assert hasattr(function, '__wrapped__'), name


@pytest.mark.parametrize('name', [look.AMOUNT, look.HEAT])
def test_maps_of_amounts_keep_their_order_in_grey(name):
    colours = colormaps[name](np.linspace(0, 1, 64))[:, :3]
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_pixel_pictures_have_the_font_of_the_figures():
    image = np.zeros((300, 300, 3), np.uint8)
    picture = draw_densities(image, {'prediction: 3.0': np.ones((300, 300))})
    strip = picture[:28]
    assert strip.min() < 100 and strip.max() == 255
    # Antialiased, as a line of a font is; it stays within its panel.
    assert len(np.unique(strip)) > 20 and (strip[:, 590:600] == 255).all()

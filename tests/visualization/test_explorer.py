"""The explorer's page in a real browser, number by number."""
import re
import shutil

import numpy as np
import pytest
import torch
import torch.nn as nn

pytest.importorskip('plotly')
pytest.importorskip('matplotlib')
from mmacda.layers import ACDAConv  # noqa: E402
from mmacda.visualization import (CoefficientCapture, atoms_of,  # noqa: E402
                                  compose_filters, scale_energies,
                                  similar_pixels, tap_energy)
from mmacda.visualization.explorer import write_explorer  # noqa: E402
from mmacda.visualization.explorer.data import (Storage,  # noqa: E402
                                                choose_storage, quantise)
from mmacda.visualization.pixels import image_position  # noqa: E402

BROWSER = shutil.which('chromium') or shutil.which('chromium-browser') \
    or shutil.which('google-chrome')
ARGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']


@pytest.fixture(scope='module')
def captured():
    torch.manual_seed(0)
    model = nn.Sequential(
        ACDAConv(3, 8, 3, stride=2, padding=1, scales=(3, 5, 7)), nn.ReLU(),
        ACDAConv(8, 6, 5, padding=1, groups=2, num_atoms=3)).eval()
    image = torch.rand(1, 3, 40, 56)
    with torch.no_grad(), CoefficientCapture(model) as found:
        model(image)
    shown = (image[0].permute(1, 2, 0) * 255).byte().numpy()
    return found, shown


@pytest.fixture(scope='module')
def page(captured, tmp_path_factory):
    sync_api = pytest.importorskip('playwright.sync_api')
    if BROWSER is None:
        pytest.skip('no Chromium was found')
    path = tmp_path_factory.mktemp('explorer') / 'page.html'
    size = write_explorer(*captured, str(path), 'noise', max_channels=5)
    assert size == path.stat().st_size
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=ARGS)
        opened = browser.new_page(viewport=dict(width=1400, height=1000))
        opened.problems, opened.requests = [], []
        opened.on('console', lambda m: opened.problems.append(m.text)
                  if m.type in ('error', 'warning') else None)
        opened.on('pageerror', lambda e: opened.problems.append(str(e)))
        opened.on('request', lambda r: opened.requests.append(r.url))
        opened.goto(path.as_uri())
        opened.wait_for_selector('body[data-ready]', timeout=30_000)
        yield opened
        browser.close()


def plotted(page, panel):
    """The values that a panel's plotly figure holds."""
    return [np.array(z) for z in page.evaluate(
        f"document.getElementById('{panel}').data.map((t) => t.z)")]


def check_panels(page, found, pixel, out, ins):
    """Every number on the page against what Python computes for it."""
    layer, alpha, _ = found
    unit = alpha.abs().max().item() / (2**15 - 1)
    here = alpha[0, :, :, pixel[0], pixel[1]]
    atoms = atoms_of(layer, here)
    # An atom's error: half a unit for each element, times its value.
    error = unit / 2 * layer.atom_bases.abs().sum(0).max().item() + 1e-6
    for shown, atom in zip(plotted(page, 'atoms'), atoms, strict=True):
        np.testing.assert_allclose(shown, atom, rtol=0, atol=error)
    filters = compose_filters(layer, atoms, [out], ins)[0].detach()
    gain = layer.weight.abs().sum(1).max().item()
    for shown, one in zip(plotted(page, 'filters'), filters, strict=True):
        np.testing.assert_allclose(shown, one, rtol=0, atol=error * gain)
    energy = tap_energy(layer, atoms)
    np.testing.assert_allclose(
        plotted(page, 'field')[0], energy, rtol=2e-3,
        atol=2e-3 * energy.max().item())
    energies = scale_energies(layer, alpha)
    total = sum(energies.values())[0][pixel]
    names, weights, texts = page.evaluate(
        "(({y, x, text}) => [y, x, text])"
        "(document.getElementById('weights').data[0])")
    assert names == [f'{scale} × {scale}' for scale in energies]
    for weight, text, values in zip(weights, texts, energies.values()):
        share = (values[0][pixel] / total).item()
        assert weight == pytest.approx(share, abs=1e-3)
        assert text == f'{100 * weight:.1f} %'
    kept = torch.from_numpy(quantise(alpha[0], Storage())[0]).double() * unit
    kept = kept.permute(2, 0, 1).unflatten(0, alpha.shape[1:3]).float()
    expected = similar_pixels(layer, kept, pixel, count=8, radius=2)
    listed = page.locator('#similar button span').all_inner_texts()
    assert len(listed) == len(expected) > 3
    for n, (text, (place, cosine)) in enumerate(zip(listed, expected)):
        rank, value, row, column = re.findall(r'-?[\d.]+', text)
        assert (int(rank), int(row), int(column)) == (n + 1, *place)
        assert float(value) == pytest.approx(cosine, abs=6e-4)
    assert f'row {pixel[0]}, column {pixel[1]} ' in \
        page.locator('#pixel').inner_text()


def click(page, found, pixel, image_size):
    """Click where Python says that a pixel of the layer lies."""
    y, x = image_position(found, pixel, image_size)
    box = page.locator('#stage').bounding_box()
    page.mouse.click(box['x'] + (x + 0.5) / image_size[1] * box['width'],
                     box['y'] + (y + 0.5) / image_size[0] * box['height'])


def strongest(found, count=5):
    layer = found.layer
    energy = layer.weight.detach().reshape(
        layer.out_channels, -1, layer.num_atoms).square().sum(2)
    return [sorted(e.topk(min(count, len(e))).indices.tolist())
            for e in (energy.sum(1), energy.sum(0))]


def test_a_click_shows_that_pixels_numbers(page, captured):
    found, image = captured
    outs, ins = strongest(found['0'])
    for pixel in ((3, 4), (11, 0), (0, 20)):
        click(page, found['0'], pixel, image.shape[:2])
        check_panels(page, found['0'], pixel, outs[0], ins)
    page.select_option('#out', label=str(outs[3]))
    page.select_option('#in', label=str(ins[1]))
    check_panels(page, found['0'], (0, 20), outs[3], ins[1:])
    assert page.problems == []


def test_keyboard(page, captured):
    found, image = captured
    outs, ins = strongest(found['2'])
    page.keyboard.press(']')
    click(page, found['2'], (5, 6), image.shape[:2])
    page.keyboard.press('ArrowUp')
    page.keyboard.press('Shift+ArrowRight')
    check_panels(page, found['2'], (4, 16), outs[0], ins)
    page.keyboard.press('1')
    chosen = page.locator('#maps [aria-checked="true"]').inner_text()
    share = scale_energies(found['2'].layer, found['2'].coefficients)
    total = sum(energy.sum() for energy in share.values())
    assert chosen.startswith(f'scale 3: {100 * share[3].sum() / total:.1f} %')
    page.keyboard.press('?')
    assert page.locator('#help').is_visible()
    page.keyboard.press('Escape')
    assert not page.locator('#help').is_visible()
    page.keyboard.press('[')
    assert page.locator('[aria-selected="true"]').inner_text() == '0'
    assert page.problems == []


def test_hover_follows_until_a_click(page, captured):
    found, image = captured
    page.keyboard.press('Escape')
    y, x = image_position(found['0'], (7, 9), image.shape[:2])
    box = page.locator('#stage').bounding_box()
    spots = [(box['x'] + (x + dx + 0.5) / 56 * box['width'],
              box['y'] + (y + 0.5) / 40 * box['height']) for dx in (0, 12)]
    page.mouse.move(*spots[0])
    page.wait_for_function('explorer.state.row == 7')
    assert page.evaluate('explorer.state.column') == 9
    page.mouse.click(*spots[0])
    page.mouse.move(*spots[1])
    page.wait_for_timeout(100)
    assert page.evaluate('explorer.state.column') == 9


def test_page_needs_no_network(page, captured):
    assert all(url.startswith(('file:', 'data:', 'blob:'))
               for url in page.requests)
    assert page.locator('#stage').screenshot()[:4] == b'\x89PNG'
    assert 'noise' in page.locator('#title').inner_text()
    assert '5 of 8 output and 3 of 3 input' in \
        page.locator('#precision').inner_text()


def test_a_large_image_stays_under_20_megabytes(tmp_path):
    layer = ACDAConv(3, 64, 3, padding=1, scales=(3, 5, 7),
                     atom_generator=dict(hidden_channels=2, kernel_size=1))
    image = np.random.default_rng(0).integers(
        0, 256, (512, 512, 3)).astype(np.uint8)
    inputs = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad(), CoefficientCapture(layer.eval()) as captured:
        layer.atom_generator(inputs)
    size = write_explorer(captured, image, str(tmp_path / 'page.html'))
    assert 6e6 < size < 20e6
    # 512 x 512 x 108 bytes would be 28 MB; a quarter of the pixels fits.
    alpha = dict(layer=captured[''].coefficients[0])
    assert choose_storage(alpha, 12_000_000)['layer'] == Storage(8, 2)


@pytest.mark.parametrize('bits, step', [(16, 1), (8, 1), (8, 3)])
def test_stored_coefficients_are_as_exact_as_stated(bits, step):
    torch.manual_seed(0)
    alpha = torch.randn(2, 5, 7, 8)
    integers, unit = quantise(alpha, Storage(bits, step))
    assert integers.dtype.itemsize * 8 == bits
    kept = alpha[..., ::step, ::step].flatten(0, 1).permute(1, 2, 0).numpy()
    assert np.abs(integers * unit - kept).max() <= unit / 2 + 1e-7
    assert unit <= 4.5 / 2**(bits - 1)


def test_storage_gives_up_bits_before_pixels():
    alpha = dict(a=torch.zeros(6, 18, 32, 32), b=torch.zeros(6, 18, 8, 8))
    total = 108 * (32**2 + 8**2) * 4 // 3
    assert set(choose_storage(alpha, 3 * total).values()) == {Storage()}
    assert choose_storage(alpha, 3 * total // 2) == dict(
        a=Storage(8), b=Storage())
    assert choose_storage(alpha, total // 2)['a'] == Storage(8, 2)
    with pytest.raises(ValueError, match='choose fewer'):
        choose_storage(alpha, 100)


def test_says_what_is_wrong(captured, tmp_path):
    with pytest.raises(ValueError, match='image must be uint8'):
        write_explorer(captured[0], captured[1][..., 0], 'page.html')
    with pytest.raises(ValueError, match='do not fit into the page'):
        write_explorer(*captured, str(tmp_path / 'p.html'), max_bytes=10**6)
    assert list(tmp_path.iterdir()) == []

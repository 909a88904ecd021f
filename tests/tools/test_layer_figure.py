"""The drawing of the layer shows what a layer computes."""
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('matplotlib')
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.figures import layer  # noqa: E402


def test_tiles_are_a_layers_own(tmp_path):
    found = layer.compute()
    assert found.coefficients.shape == (6, 18)
    assert np.abs(found.coefficients).max() <= 1  # after tanh
    np.testing.assert_allclose(
        found.atoms, np.einsum('mj,jhw->mhw', found.coefficients,
                               found.bases), rtol=1e-4, atol=1e-5)
    from mmacda.visualization.figures import save_figure
    path = tmp_path / 'layer.svg'
    save_figure(layer.draw(found), str(path))
    text = path.read_text(encoding='utf-8')
    for words in ('atom generator', 'filter atoms D', 'atom convolution',
                  'coefficient convolution', 'Fourier-Bessel'):
        assert words in text
    assert len(text) < 300_000

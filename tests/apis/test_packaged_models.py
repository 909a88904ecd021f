"""The trained networks of the package: whole, small, and of use."""
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmacda.apis import (CrowdCountingInferencer, RestorationInferencer,
                         list_models, model_card)
from mmacda.apis.packaged_models import (FOLDER, MODELS, model_files,
                                         resolve_model)
from mmacda.apis.read_config import read_config
from mmacda.checkpoints import load_checkpoint
from tools.experiments.packaged_models.packing import LIMIT, describe

NAMES = list_models()
RESTORERS = list_models('restoration')
PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)


def test_names():
    assert NAMES == tuple(MODELS) == (
        'photo-denoiser', 'photo-enlarger-x2', 'blood-cell-counter')
    assert RESTORERS + list_models('counting') == NAMES
    with pytest.raises(ValueError, match='one of counting, restoration'):
        list_models('crowds')


def test_files_and_names_are_the_same():
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)
    assert {path.suffix for path in FOLDER.iterdir()} == {'.pth', '.md'}


@pytest.mark.parametrize('name', NAMES)
def test_card_and_file_agree(name):
    card = model_card(name)
    assert describe(name) in card
    assert card.startswith(f'# {name}\n')
    assert f'python tools/train.py configs/packaged/{name}.py' in card
    for words in ('**Licence**', 'is not for', '--evaluate', '| '):
        assert words in card


@pytest.mark.parametrize('name', NAMES)
def test_weights_are_half_and_safe(name):
    path = model_files(name)[1]
    assert Path(path).stat().st_size < LIMIT
    state = torch.load(path, weights_only=True)['state_dict']
    assert {t.dtype for t in state.values() if t.ndim > 1} == {torch.float16}
    assert all(t.isfinite().all() for t in state.values())
    assert load_checkpoint(path)['state_dict'].keys() == state.keys()


@pytest.mark.parametrize('name, scale', zip(RESTORERS, (1, 2)))
@pytest.mark.parametrize('pixels', [
    PIXELS, PIXELS[..., 0], PIXELS[:1, :1], PIXELS[:, :1],
    np.dstack([PIXELS, PIXELS[..., 0]]), PIXELS.astype(np.uint16) * 257
], ids=['colour', 'grey', 'one pixel', 'one column', 'alpha', '16 bits'])
def test_restorers_take_any_picture(name, scale, pixels):
    pytest.importorskip('mmagic')
    restored = RestorationInferencer(name, device='cpu')(pixels)
    height, width = pixels.shape[:2]
    assert restored.shape == (
        scale * height, scale * width, *pixels.shape[2:])
    assert restored.dtype == pixels.dtype and restored.std() > 0 or \
        pixels.shape[:2] == (1, 1)


def test_counter_takes_any_picture():
    count = CrowdCountingInferencer(device='cpu', show_progress=False)
    for pixels in (PIXELS, PIXELS[..., 0]):
        assert np.isfinite(count(pixels)[0].pred_count)


def test_denoiser_beats_opencv_on_a_photograph():
    """On a small part of one; the card has the others."""
    pytest.importorskip('mmagic')
    cv2 = pytest.importorskip('cv2')
    pytest.importorskip('skimage')
    from mmacda.datasets.photographs import read_photograph
    from tools.experiments.packaged_models.restoration import (
        best_of_opencv, gaussian, psnr, spoil)
    clean = np.ascontiguousarray(
        read_photograph('chelsea.png')[60:188, 120:248, ::-1])
    noisy = spoil(clean, gaussian(25), 7)
    denoised = RestorationInferencer(device='cpu')(noisy)
    assert psnr(denoised, clean) > best_of_opencv(noisy, clean) + 1
    assert psnr(noisy, clean) == pytest.approx(cv2.PSNR(noisy, clean))


def test_enlarger_beats_interpolation_on_a_photograph():
    pytest.importorskip('mmagic')
    pytest.importorskip('skimage')
    from mmacda.datasets.photographs import read_photograph
    from tools.experiments.packaged_models.enlargement import (
        ENLARGEMENTS, MEAN, measure)
    clean = np.ascontiguousarray(
        read_photograph('coffee.png')[100:228, 200:328, ::-1])
    small = MEAN(clean)
    enlarged = RestorationInferencer('photo-enlarger-x2', device='cpu')(small)
    for interpolate in ENLARGEMENTS.values():
        gain = measure(enlarged, clean) - measure(interpolate(small), clean)
        assert gain[0] > .5 and gain[1] > 0


@pytest.mark.parametrize('given, said', [
    (('photo-denoise', None), "'photo-denoise' is neither a file nor a "
     'packaged model: the packaged models are photo-denoiser, '
     'photo-enlarger-x2'),
    (('blood-cell-counter', None), 'is for counting, not for restoration: '
     'take photo-denoiser or photo-enlarger-x2'),
    ((None, 'w.pth'), 'the checkpoint w.pth needs its config'),
])
def test_refusals(given, said):
    with pytest.raises(ValueError, match=said):
        resolve_model(*given, 'restoration')


def test_what_is_given_stays():
    config = read_config(model_files('photo-denoiser')[0])
    for given in ((config, None), (config, 'w.pth'), ('c.py', None),
                  ('mmagic::_base_/default_runtime.py', 'https://h/w.pth')):
        assert resolve_model(*given, 'restoration') == given
    # Weights of one's own for a packaged network.
    assert resolve_model('photo-denoiser', 'w.pth', 'restoration') == (
        model_files('photo-denoiser')[0], 'w.pth')


def test_a_file_of_a_packaged_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photo-denoiser').touch()
    assert resolve_model('photo-denoiser', None, 'restoration') == (
        'photo-denoiser', None)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A tool in a folder with a photograph; what it printed."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save('photo.png')

    def call(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool.__name__, *arguments])
        tool.main()
        return capsys.readouterr()

    return call


def test_restoring_needs_a_photograph_alone(run):
    pytest.importorskip('mmagic')
    from tools import restore
    run(restore, 'photo.png', '--out', 'clean.png', '--device', 'cpu')
    run(restore, 'photo.png', '--out', 'large.png', '--device', 'cpu',
        '--model', 'photo-enlarger-x2')
    assert Image.open('clean.png').size == (53, 37)
    assert Image.open('large.png').size == (106, 74)


def test_counting_needs_a_photograph_alone(run):
    from tools import count
    printed = run(count, 'photo.png', '--device', 'cpu')
    name, number = printed.out.split('\t')
    assert name == 'photo.png' and np.isfinite(float(number))
    assert 'blood-cell-counter counts red cells' in printed.err


@pytest.mark.parametrize('arguments, said', [
    (['--model', 'denoiser'], 'photo-denoiser'),
    (['--model', 'blood-cell-counter'], 'photo-enlarger-x2'),
    (['--config', __file__], 'are required: --checkpoint'),
    (['--checkpoint', __file__], 'are required: --config'),
    (['--model', 'photo-denoiser', '--config', __file__, '--checkpoint',
      __file__], '--model is a network of its own'),
    (['--config', 'gone.py', '--checkpoint', __file__],
     'the config gone.py does not exist'),
])
def test_wrong_use_of_the_tools(arguments, said, capsys):
    from tools.restore import make_parser
    with pytest.raises(SystemExit) as stop:
        make_parser().parse_args(['p.png', '--out', 'o.png', *arguments])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and said in error and error.count('\n') == 1

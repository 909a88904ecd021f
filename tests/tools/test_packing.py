"""The packaged networks are packed and measured, and faults are named."""
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests.box_layouts import write_picture, write_voc
from tools.experiments.packaged_models import __main__, enlargement, packing


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['packaged', *map(str, arguments)])
    __main__.main()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The last checkpoint of a training, and a package of its own."""
    state = {
        'conv.weight': torch.rand(4, 3, 3, 3),
        'norm.running_var': torch.tensor([1e-9, 1.]),
        'norm.num_batches_tracked': torch.tensor(100_000),
    }
    folder = tmp_path / 'work_dirs' / 'photo-denoiser'
    folder.mkdir(parents=True)
    torch.save(dict(state_dict=state, optimizer={}), folder / 'iter_2.pth')
    (folder / 'last_checkpoint').write_text('/elsewhere/iter_2.pth',
                                            encoding='utf-8')
    monkeypatch.setattr(packing, 'FOLDER', tmp_path)
    return tmp_path / 'work_dirs', state


def test_packing(trained, monkeypatch, capsys, tmp_path):
    work_dirs, state = trained
    run(monkeypatch, '--pack', 'photo-denoiser', '--work-dirs', work_dirs)
    packed = torch.load(tmp_path / 'photo-denoiser.pth', weights_only=True)
    assert packed.keys() == {'state_dict'}
    for name, tensor in packed['state_dict'].items():
        assert torch.equal(tensor, state[name].to(tensor.dtype))
    assert packed['state_dict']['norm.running_var'].dtype == torch.float32
    said = capsys.readouterr().out
    assert '111 numbers' in said
    content = (tmp_path / 'photo-denoiser.pth').read_bytes()
    assert f'{len(content):,} bytes' in said
    packing.pack('photo-denoiser', str(work_dirs))  # the same bytes again
    assert (tmp_path / 'photo-denoiser.pth').read_bytes() == content


def test_what_is_too_large_is_not_packed(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(packing, 'LIMIT', 500)
    with pytest.raises(ValueError, match='more than 500'):
        packing.pack('photo-denoiser', str(trained[0]))
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('arguments, said', [
    ([], 'give --pack or --evaluate'),
    (['--pack', 'photo-denoiser'], 'holds no training: python tools/train.py'),
    (['--pack', 'photo-denoise'], 'photo-enlarger-x2'),
    (['--evaluate', 'x'], 'photo-enlarger-x2'),
    (['--evaluate', 'photo-denoiser'], 'holds no picture'),
    (['--evaluate', 'blood-cell-counter'], 'is missing'),
])
def test_faults(arguments, said, monkeypatch, capsys, tmp_path):
    pytest.importorskip('mmagic')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        run(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1


def test_tables(monkeypatch, capsys, tmp_path):
    pytest.importorskip('mmagic')
    monkeypatch.setattr(
        'tools.experiments.packaged_models.restoration.STRENGTHS', (5, ))
    write_picture(tmp_path / 'clean_photographs/test/a.png', (21, 19))
    for split in ('train', 'test'):
        write_voc(tmp_path / 'BCCD', [[('RBC', (4, 4, 30, 30))]], split)
    run(monkeypatch, '--evaluate', '--data', tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith('| ') for line in lines) == 25
    assert any(line.startswith('| always the mean of the training pictures | '
                               '+0.00 |') for line in lines)


@pytest.mark.parametrize('name', enlargement.REDUCTIONS)
def test_reductions(name):
    reduce_ = enlargement.REDUCTIONS[name]
    level = np.full((8, 12, 3), (60, 120, 180), np.uint8)
    assert abs(reduce_(level).astype(int) - level[::2, ::2]).max() <= 2
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    cells = picture.reshape(4, 2, 6, 2, 3).mean((1, 3))
    error = abs(reduce_(picture) - cells).max()
    assert reduce_(picture).shape == (4, 6, 3)
    # Pillow rounds twice, after rows and after columns.
    assert (error <= 1) == (name == 'the mean of 2 x 2 pixels')


def test_measure_of_an_enlargement():
    """Y is 16 at black and 235 at white; the edge does not count."""
    black = np.zeros((20, 20, 3), np.uint8)
    image = np.pad(black[2:-2, 2:-2], ((2, 2), (2, 2), (0, 0)),
                   constant_values=255)
    assert enlargement.measure(black, image).tolist() == [np.inf, 1]
    assert enlargement.measure(black, 255 - black)[0] == pytest.approx(
        20 * np.log10(255 / 219))


def test_clean_photographs(monkeypatch, tmp_path):
    pytest.importorskip('skimage')
    from tools.dataset_converters import clean_photographs as tool
    for names in tool.WALLPAPERS.values():
        for name in names:
            write_picture(tmp_path / 'w' / f'{name}.jpg', (30, 40))
    for numbers in tool.CITY100.values():
        for number in numbers:
            write_picture(tmp_path / 'c' / f'{number:03}H.PNG', (9, 6))
    monkeypatch.setattr(tool, 'WALLPAPER_SIDES', dict(train=20, test=10))
    monkeypatch.setattr(tool, 'CITY100_SIDE', 3)
    monkeypatch.setattr(sys, 'argv', [
        'tool', '--wallpapers', str(tmp_path / 'w'), '--city100',
        str(tmp_path / 'c'), '--out-dir', str(tmp_path / 'o')])
    tool.main()
    train, test = ({path.name: np.asarray(Image.open(path)).shape
                    for path in (tmp_path / 'o' / split).iterdir()}
                   for split in ('train', 'test'))
    assert not train.keys() & test.keys()
    assert len(train) == 8 + 8 + 40 and len(test) == 3 + 3 + 3
    assert train['city100_001.png'] == (2, 3, 3)
    assert train['Wine_by_Jakkub_Mede.png'] == (20, 15, 3)
    assert test['Dragonfly_by_Bolly.png'] == (10, 8, 3)

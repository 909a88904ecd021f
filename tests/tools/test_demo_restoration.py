"""The restoration demo in miniature, and the map of the noise."""
import importlib.util
import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture(scope='module')
def demo():
    pytest.importorskip('mmagic')
    pytest.importorskip('matplotlib')
    spec = importlib.util.spec_from_file_location(
        'demo_restoration', TOOLS / 'experiments' / 'demo_restoration.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small_photographs(monkeypatch):
    """Corners of the photographs, large enough for the demo's crops."""
    from mmacda.datasets import photographs
    full = photographs.read_photograph
    monkeypatch.setattr(photographs, 'read_photograph',
                        lambda name: full(name)[:96, :96])


def run_demo(demo, monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, 'argv',
                        ['demo_restoration.py', *map(str, arguments)])
    demo.main()
    return capsys.readouterr().out


def test_demo(demo, tmp_path, small_photographs, monkeypatch, capsys):
    tasks = [task._replace(crops=dict.fromkeys(task.crops, (0, 0)))
             for task in demo.TASKS]
    monkeypatch.setattr(demo, 'TASKS', tasks)
    arguments = ['--out', tmp_path, '--iterations', 2, '--tasks', 'denoising']
    out = run_demo(demo, monkeypatch, capsys, *arguments)
    folders = [tmp_path / f'{name}_photographs-noise_2_seed0' for name in (
        'acda-restorer-conv', 'acda-restorer', 'acda-vdn')]
    results = [json.loads((folder / 'record.json').read_text(
        encoding='utf-8'))['metrics']
               for folder in folders]
    names = {'PSNR', 'SSIM-2d', 'SSIM-3d'}
    for found in results:
        assert set(found) == names | {f'input/{name}' for name in names}
    for name in ('noisy input', 'twin (conv)', 'ACDA', 'ACDA + VDNet'):
        assert name in out
    for key in ('PSNR', 'input/PSNR'):
        assert f'{results[1][key]:.2f}' in out
    for name in ('denoising.png', 'noise_level.png'):
        picture = cv2.imread(str(tmp_path / name))
        assert min(picture.shape[:2]) > 200 and picture.std() > 20
    # What the table says of the input and of one picture is true.
    pairs = sorted((tmp_path / 'photographs/sidd/test').rglob('*_NOISY*'))
    errors = [demo.psnr(*(cv2.imread(str(path).replace('NOISY', kind))
                          for kind in ('NOISY', 'GT'))) for path in pairs]
    assert len(errors) == 9
    assert results[0]['input/PSNR'] == pytest.approx(np.mean(errors))
    noisy = next(path for path in pairs if path.name.startswith('0026'))
    assert (cv2.imread(str(folders[0] / '0026_input.png')) == cv2.imread(
        str(noisy))).all()
    # Again: nothing is trained, the table is the same.
    before = [path.stat().st_mtime_ns for path in folders[0].rglob('*.pth')]
    again = run_demo(demo, monkeypatch, capsys, *arguments)
    rows = [[line for line in text.splitlines() if line.startswith('│')]
            for text in (out, again)]
    assert len(rows[0]) == 4 and rows[0] == rows[1]
    assert before == [
        path.stat().st_mtime_ns for path in folders[0].rglob('*.pth')
    ]


def test_an_interrupted_training_goes_on(demo, tmp_path, small_photographs,
                                         monkeypatch):
    """Killed before its test: the record is missing, the weights are kept."""
    from types import SimpleNamespace
    args = SimpleNamespace(out=str(tmp_path), iterations=1, fresh=False)
    task = demo.TASKS[0]._replace(crops={})
    config = task.configs['ACDA']

    def killed(runner, pictures):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(demo, 'measure', killed)
        with pytest.raises(KeyboardInterrupt):
            demo.run('ACDA', config, 0, task, args)
    weights, = tmp_path.rglob('iter_1.pth')
    before = weights.stat().st_mtime_ns
    metrics, folder = demo.run('ACDA', config, 0, task, args)
    assert metrics['PSNR'] > 0 and folder == str(weights.parent)
    assert weights.stat().st_mtime_ns == before


def test_rows_of_the_table(demo):
    from rich.console import Console
    from rich.table import Table
    table = Table('', 'PSNR', 'SSIM')
    demo.add_row(table, 'one', [dict(PSNR=30.126, SSIM=0.81239)],
                 ['PSNR', 'SSIM'])
    runs = [dict(PSNR=p, SSIM=s) for p, s in ((30., 0.8), (32., 0.9))]
    demo.add_row(table, 'two', runs, ['PSNR', 'SSIM'])
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    text = capture.get()
    assert '30.13' in text and '0.8124' in text
    assert '31.00 (30.00 to 32.00)' in text
    assert '0.8500 (0.8000 to 0.9000)' in text


def test_wrong_options_are_one_sentence(demo, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['demo_restoration.py', '--seeds', '0'])
    with pytest.raises(SystemExit):
        demo.main()
    assert 'whole number of at least 1' in capsys.readouterr().err


def test_local_noise_level_is_the_noise_s():
    from mmacda.apis.noise_level import local_noise_level
    rng = np.random.default_rng(0)
    clean = np.full((200, 160, 3), 128, np.uint8)
    noise = rng.normal(size=clean.shape)
    noise[:, :80] *= 5
    noise[:, 80:] *= 20
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    level = 255 * local_noise_level(noisy, clean)
    assert level.shape == (200, 160)
    assert level[:, 5:70].mean() == pytest.approx(5, rel=0.1)
    assert level[:, 90:155].mean() == pytest.approx(20, rel=0.1)


NETWORK = '''
default_scope = 'mmagic'
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
model = dict(
    type='{type}',
    generator=dict(type='VDNUNet', base_channels=4, out_channels={out}),
    pixel_loss=dict(type='{loss}'),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[127.5] * 3, std=[255.] * 3,
        output_channel_order='RGB'))
'''


def test_noise_level_of_a_photograph(tmp_path, monkeypatch, capsys):
    pytest.importorskip('mmagic')
    import torch

    from mmacda.apis import RestorationInferencer
    from mmacda.apis.noise_level import predict_noise_level
    config = tmp_path / 'vdn.py'
    config.write_text(
        NETWORK.format(
            type='VariationalDenoiser', out=6,
            loss='VariationalDenoisingLoss'), encoding='utf-8')
    model = RestorationInferencer(str(config), device='cpu').model
    checkpoint = tmp_path / 'vdn.pth'
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    photo = np.random.default_rng(0).integers(
        0, 256, (30, 41, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'photo.png'), photo)
    script = str(TOOLS / 'analysis' / 'plot_noise_level.py')
    arguments = [
        tmp_path / 'photo.png', '--truth', tmp_path / 'photo.png', '--config',
        config, '--checkpoint', checkpoint, '--out', tmp_path / 'level.png',
        '--device', 'cpu'
    ]
    monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
    runpy.run_path(script, run_name='__main__')
    assert cv2.imread(str(tmp_path / 'level.png')).std() > 10
    x = torch.from_numpy(photo[..., ::-1] / 255. - 0.5).float()
    expected = model.noise_level(x.permute(2, 0, 1)[None])[0].mean(0)
    np.testing.assert_allclose(
        predict_noise_level(model, photo), expected.numpy(), rtol=1e-4)
    config.write_text(
        NETWORK.format(type='BaseEditModel', out=3, loss='MSELoss'),
            encoding='utf-8')
    model = RestorationInferencer(str(config), device='cpu').model
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    with pytest.raises(SystemExit):
        runpy.run_path(script, run_name='__main__')
    assert 'must be a VariationalDenoiser' in capsys.readouterr().err

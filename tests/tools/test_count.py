"""Train, resume, test and count through the commands."""
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from scipy.io import loadmat

from mmacda.apis.load_model import load_model
from mmacda.checkpoints import load_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'
CONFIG = TOOLS.parent / 'configs/counting/ad-resnet-s_synthetic.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a tool as a command would, and return what it printed."""
    monkeypatch.setenv('LOCAL_RANK', '0')

    def call(script, *arguments):
        monkeypatch.setattr(sys, 'argv',
                            [script, *(str(a) for a in arguments)])
        capsys.readouterr()
        runpy.run_path(str(TOOLS / script), run_name='__main__')
        return capsys.readouterr().out

    return call


@pytest.fixture
def config(tmp_path):
    """The synthetic config with a small network and few small pictures."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(
        arch=dict(stage_widths=[4, 4, 6, 8], stage_blocks=[1, 1, 1, 1]),
        stem_channels=4)
    cfg.model.head.update(in_channels=8, channels=[8, 8, 8])
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.update(
            data_root=str(tmp_path / 'data'),
            num_images=dict(train=4, test=2),
            image_size=(64, 64),
            people=(2, 6),
            hold_out=0.25)
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 48
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
    path = tmp_path / 'small.py'
    cfg.dump(path)
    return path


def scalars(work_dir):
    lines = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines += [json.loads(line) for line in path.read_text(
            encoding='utf-8').splitlines()]
    return lines


def test_train_resume_test_and_count(run, config, tmp_path):
    work_dir = tmp_path / 'work'
    run('train.py', config, '--work-dir', work_dir)
    assert (work_dir / 'epoch_1.pth').is_file()
    assert any('counting/mae' in line for line in scalars(work_dir))
    run('train.py', config, '--resume', '--work-dir', work_dir,
        '--cfg-options', 'train_cfg.max_epochs=2')
    checkpoint = work_dir / 'epoch_2.pth'
    meta = load_checkpoint(str(checkpoint))['meta']
    assert meta['epoch'] == 2 and list(work_dir.glob('best_counting_mae*'))

    metrics = tmp_path / 'metrics.json'
    shown = tmp_path / 'shown'
    run('test.py', config, checkpoint, '--work-dir', tmp_path / 'test',
        '--out', metrics, '--out-item', 'metrics', '--show-dir', shown)
    measured = json.loads(metrics.read_text(encoding='utf-8'))
    images = sorted((tmp_path / 'data').glob('*/part_A_final/test_data/'
                                             'images/*.jpg'))
    assert [p.stem for p in sorted(shown.iterdir())] == [
        p.stem for p in images
    ]

    # The same counts by the command for photos.
    printed = run('count.py', images[0].parent, '--config', config,
                  '--checkpoint', checkpoint, '--device', 'cpu', '--out-dir',
                  tmp_path / 'counted')
    rows = [line.split('\t') for line in printed.splitlines()]
    assert [row[0] for row in rows] == [str(p) for p in images]
    truth = [
        len(loadmat(p.parents[1] / 'ground_truth' / f'GT_{p.stem}.mat')
            ['image_info'][0, 0][0, 0][0]) for p in images
    ]
    errors = [abs(float(row[1]) - gt) for row, gt in zip(rows, truth)]
    assert np.mean(errors) == pytest.approx(
        measured['counting/mae'], abs=0.1)
    assert len(list((tmp_path / 'counted').iterdir())) == len(images)


def test_errors_are_one_sentence(run, config, tmp_path, capsys):
    photo = tmp_path / 'photo.png'
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(photo)
    checkpoint = tmp_path / 'other.pth'
    torch.save(dict(state_dict={}), checkpoint)
    for words, arguments in (
        ('other.pth is not a checkpoint of this network', [photo]),
        ('no.pth', [photo, '--checkpoint', 'no.pth']),
        ('photo.png is not a folder', [photo, '--out-dir', photo]),
    ):
        with pytest.raises(SystemExit) as ended:
            run('count.py', '--config', config, '--checkpoint', checkpoint,
                *arguments)
        line, = capsys.readouterr().err.splitlines()
        assert line.startswith('count.py: error: ') and words in line
        assert ended.value.code in (1, 2)


@pytest.fixture
def photos(tmp_path):
    """Three good ones, one that is cut off, one that macOS left."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name in ('1.png', '2.png', '4.png'):
        Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(folder / name)
    (folder / '3.png').write_bytes((folder / '1.png').read_bytes()[:50])
    (folder / '._1.png').write_bytes(b'of macOS')
    return folder


def test_one_bad_file_among_many(run, config, tmp_path, photos, capsys):
    checkpoint = tmp_path / 'c.pth'
    torch.save(dict(state_dict=load_model(str(config)).state_dict()),
               checkpoint)
    arguments = ['count.py', photos, '--config', config, '--checkpoint',
                 checkpoint, '--device', 'cpu']
    with pytest.raises(SystemExit, match='1'):
        run(*arguments)
    printed = capsys.readouterr()
    assert [line.split('\t')[0] for line in printed.out.splitlines()] == [
        str(photos / name) for name in ('1.png', '2.png', '4.png')]
    assert f'error: {photos / "3.png"} cannot be read' in printed.err
    assert '1 photo could not be used' in printed.err
    with pytest.raises(SystemExit, match='1'):
        run(*arguments, '--stop-on-error')
    assert len(capsys.readouterr().out.splitlines()) == 2

"""tools/experiments/counting_comparison.py: both networks, all seeds, once."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmacda.visualization.density import BAR
from tools.experiments import counting_comparison

CONFIGS = Path(counting_comparison.CONFIGS)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """The command with small networks on a few small pictures."""
    for name in counting_comparison.NETWORKS.values():
        cfg = Config.fromfile(CONFIGS / name)
        cfg.model.backbone.update(
            arch=dict(stage_widths=[4, 4, 6, 8], stage_blocks=[1, 1, 1, 1]),
            stem_channels=4)
        cfg.model.head.update(in_channels=8, channels=[8, 8, 8])
        for split in ('train', 'val', 'test'):
            cfg[f'{split}_dataloader'].dataset.update(
                data_root=str(tmp_path / 'data'),
                num_images=dict(train=3, test=3),
                image_size=(64, 64),
                people=(2, 6))
        cfg.train_dataloader.batch_size = 2
        cfg.train_dataloader.dataset.pipeline[1].crop_size = 48
        (tmp_path / 'configs').mkdir(exist_ok=True)
        cfg.dump(tmp_path / 'configs' / name)
    monkeypatch.setattr(counting_comparison, 'CONFIGS',
                        str(tmp_path / 'configs'))

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', [
            'counting_comparison.py', '--out', str(tmp_path / 'out'),
            *arguments, '--cfg-options', 'train_cfg.max_epochs=1',
            'log_level=ERROR'
        ])
        capsys.readouterr()
        counting_comparison.main()
        return capsys.readouterr().out

    return call


def test_runs_once_and_prints_both(run, tmp_path):
    printed = run('--seeds', '2')
    results = {
        path.parent.name: json.loads(path.read_text(
            encoding='utf-8'))['metrics']
        for path in (tmp_path / 'out').glob('*/record.json')
    }
    assert sorted(results) == [
        f'ad-resnet-s{conv}_synthetic_seed{seed}' for conv in ('-conv', '')
        for seed in (0, 1)
    ]
    for twin in ('', '-conv'):
        name = f'ad-resnet-s{twin}_synthetic_seed'
        for key in ('counting/mae', 'counting/mse'):
            values = [results[f'{name}{seed}'][key] for seed in (0, 1)]
            assert values[0] != values[1]
            for value in (*values, np.mean(values)):
                assert f' {value:.2f} ' in printed
    picture = np.asarray(Image.open(tmp_path / 'out' / 'counting.png'))
    assert picture.shape == (3 * (256 + 28), 4 * 256 + BAR, 3)

    # What is finished stays, and what is missing is added.
    times = {p: p.stat().st_mtime_ns
             for p in (tmp_path / 'out').glob('*/*.pth')}
    assert 'picture' in run('--seeds', '2')
    assert times == {p: p.stat().st_mtime_ns
                     for p in (tmp_path / 'out').glob('*/*.pth')}


def test_seeds_must_be_positive(run):
    with pytest.raises(SystemExit):
        run('--seeds', '0')

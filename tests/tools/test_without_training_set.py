"""tools/test.py of every family when the test set alone is on the disk."""
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmacda.apis.load_model import build_model
from tests.crowd_layouts import write_nwpu, write_shanghaitech, write_ucf_qnrf

ROOT = Path(__file__).parents[2]
CONFIGS, TOOL = ROOT / 'configs', ROOT / 'tools' / 'test.py'


def write_noise(*paths):
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), np.uint8)).save(path)


def write_realsr(root):
    for camera in ('Canon', 'Nikon'):
        folder = root / camera / 'Test' / '4'
        write_noise(*(folder / f'{camera}_001_{kind}.png'
                      for kind in ('HR', 'LR4')))


def write_sidd(root):
    write_noise(root / 'noisy' / '0001_NOISY.png', root / 'gt' /
                '0001_GT.png')


def shrink_counter(cfg):
    cfg.model.backbone.update(
        arch=dict(stage_widths=(4, 4, 4, 4), stage_blocks=(1, 1, 1, 1)),
        stem_channels=4,
        init_cfg=None)
    cfg.model.head.update(in_channels=4, channels=(4, 4, 4))


def shrink_restorer(cfg):
    cfg.model.generator.update(num_blocks=1, mid_channels=8)


FAMILIES = {
    'counting/ad-resnet-s_1xb10_shtech-a':
    (write_shanghaitech, shrink_counter, ['IMG_1', 'IMG_2', 'IMG_3']),
    'counting/ad-resnet-s_1xb10_qnrf':
    (write_ucf_qnrf, shrink_counter, ['img_0001', 'img_0002', 'img_0003']),
    'counting/ad-resnet-s_1xb10_nwpu':
    (write_nwpu, shrink_counter, ['0004', '0005', '0006']),
    'real_sr/acda-restorer_realsr-v2-x4':
    (write_realsr, shrink_restorer, ['Canon_001_HR', 'Nikon_001_HR']),
    'denoising/acda-restorer_sidd':
    (write_sidd, shrink_restorer, ['0001_GT']),
}


@pytest.mark.parametrize('name', FAMILIES)
def test_the_test_set_is_enough(name, tmp_path, monkeypatch):
    if not name.startswith('counting'):
        pytest.importorskip('mmagic')
    write, shrink, names = FAMILIES[name]
    write(tmp_path / 'data')
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    shrink(cfg)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    for key in ('train', 'val'):
        cfg[f'{key}_dataloader'].dataset.data_root = str(tmp_path / 'none')
    cfg.default_hooks.visualization.interval = 1
    cfg.dump(tmp_path / 'config.py')
    torch.save(
        dict(state_dict=build_model(cfg).state_dict()), tmp_path / 'all.pth')
    monkeypatch.setenv('LOCAL_RANK', '0')
    for options in ([], ['--show-dir', str(tmp_path / 'shown')]):
        monkeypatch.setattr(sys, 'argv', [
            'test.py',
            str(tmp_path / 'config.py'),
            str(tmp_path / 'all.pth'), '--work-dir',
            str(tmp_path / 'work'), *options
        ])
        runpy.run_path(str(TOOL), run_name='__main__')
    written = sorted(tmp_path.glob('work/*/vis_data/vis_image/*'))
    assert [path.name for path in written] == [
        f'test_{name}_0.png' for name in names]
    shown = sorted((tmp_path / 'shown').iterdir())
    assert [path.stem for path in shown] == names
    if 'counting' not in name:
        check_restored(shown[0], tmp_path / 'data')


def check_restored(picture, data):
    """Input, restored picture and ground truth, in their own colours."""
    pair = sorted(data.rglob('*.png'), key=lambda path: (
        'NOISY' not in path.name and 'LR4' not in path.name, path))
    degraded, truth = (
        np.asarray(Image.open(path)) for path in (
            pair[0], next(p for p in pair if p.stem == picture.stem)))
    panels = np.asarray(Image.open(picture))[28:]
    assert panels.shape == (32, 3 * 40, 3)
    np.testing.assert_array_equal(panels[:, :40], degraded)
    np.testing.assert_array_equal(panels[:, 80:], truth)


def test_no_config_has_a_hook_that_builds_the_training_set():
    """mmagic's hook asks for ``runner.iter``, which does: its configs, where
    ours begin, have it, and so it is switched off there."""
    beginning = []
    for path in sorted(CONFIGS.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        assert 'BasicVisualizationHook' not in text, path
        if "'mmagic::" in text:
            beginning.append(path.name)
            assert '\ncustom_hooks = []' in text, path
            assert "dict(type='RestorationVisualizationHook')" in text, path
    assert 'mmagic_runtime.py' in beginning and len(beginning) > 3

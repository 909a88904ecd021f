"""Scales at heads: read where the heads are, and correlated with sizes."""
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image

from mmacda.structures import CountingDataSample
from mmacda.visualization.head_sizes import scales_at_heads

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/counting/ad-resnet-s_synthetic.py'
TOOL = ROOT / 'tools/analysis/head_sizes.py'


class Halves(nn.Module):
    """Coefficients of scale 3 in the upper half, of scale 7 in the lower."""

    def forward(self, x):
        batch, _, height, width = x.shape
        alpha = x.new_zeros(batch, 6, 3, 6, height, width)
        alpha[:, :, 0, :, :height // 2] = 2
        alpha[:, :, 2, :, height // 2:] = 3
        return alpha.flatten(1, 3)


@pytest.fixture
def config():
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(
        arch=dict(stage_widths=(4, 4, 6, 8), stage_blocks=(1, 1, 1, 1)),
        stem_channels=4)
    cfg.model.head.update(in_channels=8, channels=(4, 4, 4))
    return cfg


def test_shares_are_those_of_the_head_s_pixel(config):
    model = MODELS.build(config.model).eval()
    for name in ('layer3', 'layer4'):
        getattr(model.backbone, name)[0].conv2.atom_generator = Halves()
    # 60 x 50 pixels are padded to 64 x 64: the lower half begins at 32.
    points = torch.tensor([[0., 0.], [49., 31.9], [10., 32.], [-5., 99.]])
    samples = [
        dict(
            inputs=torch.zeros(3, 60, 50, dtype=torch.uint8),
            data_samples=CountingDataSample(
                metainfo=dict(img_shape=(60, 50)), gt_points=some))
        for some in (points[:3], points[:0], points[3:])
    ]
    found = scales_at_heads(model, samples)
    assert list(found) == [
        'backbone.layer3.0.conv2', 'backbone.layer4.0.conv2'
    ]
    for layer in found.values():
        assert layer.scales.tolist() == [3, 5, 7]
        np.testing.assert_allclose(
            layer.shares, [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
        np.testing.assert_allclose(layer.mean_scale, [3, 3, 7, 7])


def test_command_prints_and_draws(config, tmp_path, monkeypatch, capsys):
    config.test_dataloader.dataset.update(
        data_root=str(tmp_path), num_images=dict(train=1, test=2),
        image_size=(192, 144), people=(10, 20))
    config.dump(tmp_path / 'config.py')
    out = tmp_path / 'sizes.png'
    monkeypatch.setattr(sys, 'argv', [
        str(TOOL), '--config', str(tmp_path / 'config.py'), '--out',
        str(out)
    ])
    runpy.run_path(str(TOOL), run_name='__main__')
    printed = capsys.readouterr().out
    for name in ('layer3', 'layer4'):
        line, = (line for line in printed.splitlines() if name in line)
        correlation = float(line.split(': ')[1].split()[0])
        assert -1 <= correlation <= 1
    assert np.asarray(Image.open(out)).std() > 10


def test_sizes_are_needed(config, tmp_path, monkeypatch, capsys):
    from tests.crowd_layouts import write_shanghaitech
    write_shanghaitech(tmp_path)
    config.test_dataloader.dataset.update(
        type='ShanghaiTech', part='A', data_root=str(tmp_path))
    config.dump(tmp_path / 'config.py')
    monkeypatch.setattr(
        sys, 'argv', [str(TOOL), '--config', str(tmp_path / 'config.py')])
    with pytest.raises(SystemExit):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert 'SyntheticCrowd' in capsys.readouterr().err

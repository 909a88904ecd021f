"""tools/analysis/memory.py beside what a layer is known to keep."""
import runpy
import sys
from pathlib import Path

import pytest
import torch.nn as nn

from mmacda.layers import ACDAConv

TOOL = Path(__file__).parents[2] / 'tools/analysis/memory.py'
CONFIG = TOOL.parents[2] / 'configs/counting/ad-resnet-s_synthetic.py'


@pytest.fixture(scope='module')
def measure():
    return runpy.run_path(str(TOOL))['measure']


def test_convolutions_keep_their_inputs(measure):
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1))
    memory = measure(model, 32)
    assert memory.parameters == 3 * 8 * 9 + 8 + 8 * 4 * 9 + 4
    assert memory.per_pixel == 4 * (3 + 8)
    assert memory.per_megapixel == pytest.approx(4 * 11 * 1e6 / 2**20)
    assert memory.fixed(3) == pytest.approx(
        12 * memory.parameters / 2**20)


def test_the_layer_keeps_input_and_coefficients(measure):
    layer = ACDAConv(5, 7, 3, padding=1,
                     atom_generator=dict(norm_cfg=None, act_cfg=None))
    # x for two convolutions, the hidden map, and the coefficients.
    assert measure(layer, 32).per_pixel == 4 * (5 + 64 + 6 * 6)


@pytest.mark.trust('distribution/memory')
def test_table(figure, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, 'argv',
        ['memory.py', '--config', str(CONFIG), '--size', '64',
         '--cfg-options', 'model.backbone.with_cp=True'])
    runpy.run_path(str(TOOL), run_name='__main__')
    row = capsys.readouterr().out.splitlines()[2].split('|')
    assert row[1].strip() == CONFIG.stem and row[2].strip() == '4.65 M'
    figure('MiB per megapixel, counter with checkpointing',
           int(row[5].split()[0].replace(',', '')), 1369)


def test_the_size_is_that_of_the_config_s_images(monkeypatch, capsys):
    pytest.importorskip('mmpretrain')
    lenet = CONFIG.parents[1] / 'lenet' / 'lenet-acda_digits.py'
    monkeypatch.setattr(sys, 'argv', ['memory.py', str(lenet)])
    runpy.run_path(str(TOOL), run_name='__main__')
    printed = capsys.readouterr().out
    assert '| lenet-acda_digits | 0.11 M |' in printed
    assert 'at 20 x 20 pixels' in printed
    monkeypatch.setattr(sys, 'argv', ['memory.py', str(lenet), '--size', '64'])
    with pytest.raises(SystemExit):
        runpy.run_path(str(TOOL), run_name='__main__')
    said = capsys.readouterr().err
    assert 'does not take images of 64 x 64 pixels: give their side by' in said

"""Cost tables: the paper's figures, and counts against closed formulas."""
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch.nn as nn
from mmengine.model import BaseModel

from mmacda.layers import ACDAConv

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools' / 'analysis' / 'complexity.py'


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(SCRIPT))


def run(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name='__main__')
    return capsys.readouterr().out


def test_table6_is_the_papers(monkeypatch, capsys):
    printed = run([], monkeypatch, capsys)
    rows = {}
    for line in printed.splitlines():
        match = re.match(r'((?:Conv|ACDA).*?)  +(\d.*)', line)
        if match:  # the first block holds the FLOPs
            cells = re.findall(r'([\d,.]+) / +[\d,.-]+', match[2])
            rows.setdefault(match[1],
                            [cell.replace(',', '') for cell in cells])
    # Table 6 of the paper, in millions of multiply-adds.
    assert rows['Conv'] == ['5900.8', '16386.6', '32115.2']
    assert rows['ACDA (conv only)'] == ['4073.0', '4318.7', '4687.4']
    with_generator = rows['ACDA (+ 1x1, 1x1 generator)']
    for ours, paper in zip(with_generator, (4311.2, 4557.0, 4925.7)):
        assert float(ours) == pytest.approx(paper, rel=1e-3)
    authors = rows['ACDA (+ 3x3, 3x3 generator)']
    # 209,664 multiply-adds per pixel in its convolutions, 344 in its norms.
    for total, conv_only in zip(authors, rows['ACDA (conv only)']):
        assert float(total) - float(conv_only) == pytest.approx(
            2096.64 + 3.44, abs=0.1)


def test_table6_parameters(tool):
    table = tool['table6']()
    for kernel, conv in ((3, 0.59), (5, 1.64), (7, 3.21)):
        assert round(table['Conv'][kernel][0] / 1e6, 2) == conv
        conv_only = table['ACDA (conv only)'][kernel][0]
        assert round(conv_only / 1e6, 2) == 0.39


@pytest.mark.parametrize('kernel', [3, 5, 7])
@pytest.mark.parametrize('generator', [1, 3])
def test_layer_counts_are_the_formulas(tool, kernel, generator):
    """What the formulas of Table 6 say is what a layer has and runs."""
    num_bases = 6 * (kernel // 2)
    layer = ACDAConv(
        8,
        12,
        kernel,
        padding=kernel // 2,
        atom_generator=dict(kernel_size=generator))
    counts = tool['count_model'](layer, (8, 9, 7))
    parameters, macs = tool['acda_cost'](8, 12, kernel)
    more_parameters, more_macs = tool['generator_cost'](
        8, outputs=6 * num_bases, kernels=(generator, generator))
    assert counts.params == parameters + more_parameters
    macs += more_macs + tool['compose_cost'](kernel, num_bases=num_bases)
    bias = 12  # which is left out, as in MMEngine's counter
    assert counts.flops == (macs - bias) * 9 * 7


@pytest.mark.parametrize('groups', [1, 2, 8])
@pytest.mark.parametrize('stride', [1, 2])
def test_every_part_of_a_grouped_layer_is_counted(tool, groups, stride):
    layer = ACDAConv(
        8,
        8,
        3,
        stride,
        1,
        groups=groups,
        bias=False,
        num_atoms=4,
        scales=(3, 5),
        atom_generator=dict(hidden_channels=10, norm_cfg=None))
    counts = tool['count_model'](layer, (8, 11, 9))
    per_pixel = (
        4 * 12 * 25  # composition of 4 atoms of 5 x 5 from 12 bases
        + 8 * 4 * 25  # atom convolution of every channel
        + 8 * (8 // groups) * 4  # coefficient convolution
        + 8 * 10 * 9 + 10 * 48 * 9)  # generator
    pixels = {1: 11 * 9, 2: 6 * 5}[stride]
    assert counts.flops == per_pixel * pixels


def test_direct_atoms_need_no_composition(tool):
    layer = ACDAConv(
        4,
        4,
        3,
        padding=1,
        bias=False,
        atom_bases=None,
        atom_generator=dict(norm_cfg=None, kernel_size=1))
    counts = tool['count_model'](layer, (4, 5, 5))
    per_pixel = 4 * 6 * 9 + 4 * 6 * 4 + 4 * 64 + 64 * 6 * 9
    assert counts.flops == per_pixel * 25


def test_a_backend_of_the_users_does_not_hide_the_layer(tool):
    counts = [
        tool['count_model'](
            nn.Sequential(ACDAConv(4, 4, 3, padding=1, backend=backend)),
            (4, 6, 6)).flops for backend in (None, 'stock')
    ]
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize('shape, expected', [
    ([32], (3, 32, 32)),
    ([32, 48], (3, 32, 48)),
    ([1, 32, 48], (1, 32, 48)),
])
def test_shape(tool, shape, expected):
    assert tool['parse_shape'](shape) == expected


@pytest.mark.parametrize('shape', [[], [1, 2, 3, 4], [0, 5]])
def test_bad_shape(tool, shape):
    with pytest.raises(ValueError, match='--shape'):
        tool['parse_shape'](shape)


def test_config_of_mmpretrain(monkeypatch, capsys):
    pytest.importorskip('mmpretrain')
    config = ROOT / 'configs/ad_resnet/ad-resnet-s-conv_8xb32_in1k.py'
    printed = run(['--config', config, '--shape', 64, 96], monkeypatch, capsys)
    # Convolutions and the classifier of the twin, on maps of 1/2 ... 1/32 of
    # 64 x 96 pixels, plus two operations per output of a norm and one per
    # input of the pooling.
    total, channels, pixels = 0, 64, 32 * 48

    def conv(cin, cout, kernel):
        return (cin * kernel**2 + 2) * cout * pixels

    total += conv(3, 64, 7)
    pixels //= 4
    for stage, width in enumerate((64, 128, 256, 512)):
        pixels //= 4 if stage else 1
        for _ in range(2):
            if stage < 2:
                total += conv(channels, width, 3) + conv(width, width, 3)
            else:
                middle = width // 2
                total += conv(channels, middle, 1)
                total += conv(middle, middle, 3) + conv(middle, width, 1)
            if channels != width:
                total += conv(channels, width, 1)
            channels = width
    total += 512 * pixels + 512 * 1000
    assert f'{total:,} (' in printed
    assert '3.42 M' in printed


def test_config_of_mmagic(tmp_path, monkeypatch, capsys):
    pytest.importorskip('mmagic')
    config = tmp_path / 'restorer.py'
    config.write_text(
        "_base_ = 'mmagic::srcnn/srcnn_x4k915_1xb16-1000k_div2k.py'\n"
        "model = dict(generator=dict(upscale_factor=1))\n", encoding='utf-8')
    printed = run(['--config', config, '--shape', 12, 10], monkeypatch, capsys)
    # SRCNN is three convolutions: 9x9, 1x1, 5x5 over 3, 64, 32, 3 channels.
    macs = 3 * 64 * 81 + 64 * 32 + 32 * 3 * 25
    assert f'{macs * 120:,} (' in printed


def test_model_of_plain_mmengine(tool):

    class Model(BaseModel):

        def __init__(self):
            super().__init__()
            self.conv = ACDAConv(3, 5, 3, padding=1)

        def forward(self, inputs, mode='tensor'):
            return self.conv(inputs)

    whole = tool['count_model'](Model(), (3, 8, 8))
    layer = tool['count_model'](ACDAConv(3, 5, 3, padding=1), (3, 8, 8))
    assert whole.flops == layer.flops > 0


def test_table2(capsys, monkeypatch):
    pytest.importorskip('mmpretrain')
    script = ROOT / 'tools' / 'analysis' / 'table2.py'
    monkeypatch.setattr(sys, 'argv', [str(script)])
    runpy.run_path(str(script), run_name='__main__')
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in capsys.readouterr().out.splitlines()]
    table = {row[0]: row[1:] for row in rows}
    # Counts that torchvision documents for the peers; the design's for ours;
    # beside them the paper's parameters and errors.
    expected = {
        'ResNet-18': ['11.69', '11.69', '30.24', '10.92'],
        'ResNet-34': ['21.80', '21.28', '26.70', '8.58'],
        'ResNet-50': ['25.56', '25.56', '23.85', '7.13'],
        'MobileNet-V3 small': ['2.54', '2.9', '32.6', '13.6'],
        'Ad-ResNet-s': ['3.62', '3.85', '28.81', '9.62'],
        'Ad-ResNet-m': ['9.64', '9.83', '25.81', '7.92'],
        'Ad-ResNet-l': ['18.12', '18.19', '23.22', '6.74'],
        'DY-MobileNetV3 small': ['-', '4.8', '29.7', '11.3'],
        'CondConv-ResNet-50': ['-', '-', '22.3', '-'],
    }
    for method, cells in expected.items():
        assert table[method] == cells
    assert table['CondConv-EfficientNet'][0] in ('13.31', '-')
    assert 'paper' in table['Method'][2] and 'counted' in table['Method'][0]

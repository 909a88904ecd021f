"""The commands of tools/analysis: their pictures, numbers and errors."""
import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('matplotlib')
from mmacda.apis.inspection import preprocess  # noqa: E402
from mmacda.apis.load_model import load_model  # noqa: E402

ROOT = Path(__file__).parents[2]
CONFIGS, TOOLS = ROOT / 'configs', ROOT / 'tools' / 'analysis'
PATTERNS = str(CONFIGS / 'patterns' / 'acda_patterns.py')
CONVERTED = """
_base_ = '{configs}/replace/resnet18-small_1xb64_digits.py'
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
model = dict(
    type='WithReplacedConvs', original='ImageClassifier',
    replace=dict(include='layer4.*conv2', conv_cfg=dict(type='ACDAConv')))
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; its output, or its one sentence."""
    monkeypatch.chdir(tmp_path)

    def call(tool, *arguments):
        coarse = () if tool == 'explore' else ('--dpi', 50)  # quick
        monkeypatch.setattr(sys, 'argv',
                            [tool, *map(str, arguments), *map(str, coarse)])
        try:
            runpy.run_path(str(TOOLS / f'{tool}.py'), run_name='__main__')
        except SystemExit as stop:
            assert stop.code in (1, 2)
            line, = (line for line in capsys.readouterr().err.splitlines()
                     if 'error: ' in line)
            return line.split('error: ', 1)[1]
        return capsys.readouterr().out

    return call


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'photo.png'
    rng = np.random.default_rng(0)
    cv2.imwrite(str(path), cv2.resize(
        rng.integers(0, 256, (9, 11, 3)).astype(np.uint8), (44, 36)))
    return path


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=load_model(PATTERNS).state_dict()), path)
    return path


def is_picture(path):
    shown = cv2.imread(str(path))
    return shown is not None and min(shown.shape[:2]) > 100 and \
        shown.std() > 5


def config_of(family, tmp_path):
    if family == 'converted ResNet':
        pytest.importorskip('mmpretrain')
        path = tmp_path / 'converted.py'
        path.write_text(CONVERTED.format(configs=CONFIGS), encoding='utf-8')
        return path
    if family == 'Ad-ResNet':
        pytest.importorskip('mmpretrain')
        return CONFIGS / 'ad_resnet' / 'ad-resnet-s_digits.py'
    if family == 'restorer':
        pytest.importorskip('mmagic')
        return CONFIGS / 'real_sr' / 'acda-restorer_photographs-x4.py'
    return PATTERNS


@pytest.mark.parametrize('family, layers', [
    ('patterns', 1), ('Ad-ResNet', 4), ('converted ResNet', 2),
    ('restorer', 4)])
def test_coefficients_of_every_family(run, image, tmp_path, family, layers):
    torch.manual_seed(0)
    config = config_of(family, tmp_path)
    printed = run('plot_coefficients', image, '--config', config)
    shares = re.findall(r'^(\S+): (scale .*)', printed, re.M)
    assert len(shares) == layers
    for _, text in shares:
        values = [float(v) for v in re.findall(r'([\d.]+)%', text)]
        assert sum(values) == pytest.approx(100, abs=0.2)
    assert is_picture(tmp_path / 'coefficients.png')
    assert is_picture(tmp_path / 'coefficients_receptive_fields.png')
    assert printed.count('root mean square radius') >= 1


def test_layers_pixels_and_size_are_chosen(run, image, tmp_path):
    config = config_of('Ad-ResNet', tmp_path)
    printed = run('plot_coefficients', image, '--config', config, '--resize',
                  32, 48, '--layers', 'layer3', '--pixels', 3, 40, 31, 0)
    assert re.findall(r'^(\S+): scale', printed, re.M) == [
        'backbone.layer3.0.conv2', 'backbone.layer3.1.conv2']
    # The network's stride at that layer is 8: a map of 4 x 6.
    assert 'backbone.layer3.1.conv2, pixel 0 5 of' in printed
    assert 'backbone.layer3.1.conv2, pixel 3 0 of' in printed
    assert 'pairs of a row' in run(
        'plot_coefficients', image, '--config', config, '--pixels', 3)
    assert 'pixel 40 0 lies outside' in run(
        'plot_coefficients', image, '--config', config, '--pixels', 40, 0)


def test_bases(run, tmp_path):
    printed = run('plot_bases')
    assert 'scale 3: 6 elements' in printed and is_picture('bases.png')
    assert 'scale 7: 38 elements' in printed
    run('plot_bases', '--config', PATTERNS, '--out', 'layer.png')
    assert is_picture(tmp_path / 'layer.png')
    assert 'odd integers' in run('plot_bases', '--scales', 4)
    assert '0 or more' in run('plot_bases', '--num-bases', -1)


def test_decomposition(run, image, checkpoint, tmp_path):
    arguments = image, '--config', PATTERNS, '--checkpoint', checkpoint
    printed = run('plot_decomposition', *arguments, '--pixel', 5, 7,
                  '--channel', 0, 0)
    assert 'layer, pixel 5 7 of the layer, channel 0 to 0' in printed
    assert is_picture(tmp_path / 'decomposition.png')
    run('plot_decomposition', *arguments, '--out', 'strongest.png')
    assert is_picture(tmp_path / 'strongest.png')
    assert 'has 1 output channels' in run(
        'plot_decomposition', *arguments, '--channel', 1, 0)


def test_diversity_over_a_dataset(run, checkpoint, tmp_path):
    pytest.importorskip('mmpretrain')
    pytest.importorskip('sklearn')
    config = CONFIGS / 'lenet' / 'lenet-acda_digits.py'
    torch.manual_seed(0)
    printed = run('atom_diversity', config, '--max-images', 20)
    assert '20 of 450 images of the test split' in printed
    for name in ('conv1', 'conv2'):
        row, = re.findall(rf'^backbone\.{name}: (.*)', printed, re.M)
        values = [float(v) for v in re.findall(r'([\d.]+) \+-', row)]
        assert values[2] == pytest.approx(np.mean(values[:2]), abs=1e-4)
        errors = [float(v) for v in re.findall(r'\+- ([\d.]+)', row)]
        assert all(0 < error < 0.2 for error in errors)
    assert is_picture(tmp_path / 'atom_diversity.png')
    whole = run('atom_diversity', '--config', PATTERNS, '--split', 'train')
    assert '1 of 1 images' in whole and whole.count('+- 0.0000') == 4
    assert 'no test_dataloader' in run('atom_diversity', '--config', PATTERNS)


def test_explorer(run, image, checkpoint, tmp_path):
    pytest.importorskip('plotly')
    printed = run('explore', image, '--config', PATTERNS, '--checkpoint',
                  checkpoint)
    assert 'explorer.html: 1 layers' in printed
    text = (tmp_path / 'explorer.html').read_text(encoding='utf-8')
    assert 'photo.png in acda_patterns.py' in text
    assert 5e6 < len(text) < 20e6


def test_explorer_reduces_large_images(run, image, tmp_path):
    pytest.importorskip('plotly')
    printed = run('explore', image, '--config', PATTERNS, '--max-pixels', 500)
    assert '36 x 44 pixels is reduced to 20 x 24' in printed
    assert '"imageSize": [20, 24]' in (tmp_path / 'explorer.html').read_text(
        encoding='utf-8')
    assert 'reduced' not in run('explore', image, '--config', PATTERNS)


def test_what_the_layers_keep_bounds_the_explorers_pixels(monkeypatch):
    tool = runpy.run_path(str(TOOLS / 'explore.py'))
    model = load_model(PATTERNS)
    image = np.zeros((200, 150, 1), np.uint8)
    # 6 atoms of 18 coefficients of 4 bytes at each pixel.
    assert tool['pixels_that_fit'](model, image, None) == \
        tool['BYTES'] // (6 * 18 * 4)
    model.layer = torch.nn.Sequential(torch.nn.MaxPool2d(16), model.layer)
    assert tool['pixels_that_fit'](model, image, None) == tool['PIXELS']


@pytest.mark.parametrize('tool', ['plot_coefficients', 'plot_decomposition',
                                  'explore'])
def test_bad_input_is_one_sentence(run, image, checkpoint, tmp_path, tool):
    pytest.importorskip('plotly')
    plain = str(CONFIGS / 'patterns' / 'conv_patterns.py')
    good = image, '--config', PATTERNS
    assert 'PatternDetector has no ACDAConv layer' in run(
        tool, image, '--config', plain)
    assert "no adaptive layer fits 'head'; there are layer" in run(
        tool, *good, '--layers', 'head')
    assert 'absent.png does not exist' in run(
        tool, 'absent.png', '--config', PATTERNS)
    assert 'weights.pth cannot be read as a picture' in run(
        tool, checkpoint, '--config', PATTERNS)
    assert 'photo.png is not a checkpoint' in run(
        tool, *good, '--checkpoint', image)
    assert 'is not a checkpoint of this network' in run(
        tool, image, '--config', plain, '--checkpoint', checkpoint)
    assert 'absent.py' in run(tool, image, '--config', 'absent.py')
    assert not list(tmp_path.glob('*.html'))
    assert 'whole number of at least 1' in run(tool, *good, '--resize', 0, 0)


FIGURES = ('plot_bases', 'plot_coefficients', 'plot_decomposition',
           'plot_noise_level', 'atom_diversity', 'head_sizes', 'explore')


@pytest.mark.parametrize('tool', FIGURES)
def test_what_cannot_be_written_is_refused_first(run, image, tmp_path, tool):
    arguments = () if tool == 'plot_bases' else ('--config', PATTERNS)
    if tool.startswith(('plot_c', 'plot_d', 'plot_n', 'explore')):
        arguments = image, *arguments
    if tool == 'plot_noise_level':
        arguments += '--checkpoint', image
    before = sorted(tmp_path.iterdir())
    good = '.html' if tool == 'explore' else '.pdf'
    for out, says in (('figure.bmp', 'chooses the format'),
                      ('', 'chooses the format'),
                      (f'{image}/figure{good}', 'is not a folder')):
        assert says in run(tool, *arguments, '--out', out)
    if tool != 'explore':
        assert 'from 10 to 2400' in run(tool, *arguments, '--dpi', 'fine')
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_gets_the_default_name_and_inputs_stay(run, image, tmp_path):
    run('plot_bases', '--scales', 3, '--out', f'{tmp_path}/new/')
    assert (tmp_path / 'new' / 'bases.png').read_bytes()[1:4] == b'PNG'
    run('plot_bases', '--scales', 3, '--out', tmp_path / 'new' / 'b.svg')
    assert (tmp_path / 'new' / 'b.svg').read_bytes().startswith(b'<?xml')
    before = image.read_bytes()
    assert 'is an input' in run(
        'plot_decomposition', image, '--config', PATTERNS, '--out', image)
    assert image.read_bytes() == before


def tiny_restoration(folder):
    """A config on two small photographs in RealSR's layout."""
    rng = np.random.default_rng(0)
    for split, count in (('Train', 2), ('Test', 1)):
        target = folder / 'Canon' / split / '4'
        target.mkdir(parents=True)
        for n in range(1, count + 1):
            for kind in ('HR', 'LR4'):
                cv2.imwrite(
                    str(target / f'Canon_{n:03}_{kind}.png'),
                    rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    loader = """dict(dataset=dict(_delete_=True, type='RealSR', scale=4,
        data_root='{root}', cameras=('Canon', ), split='{split}',
        pipeline=_base_.{part}_pipeline))"""
    path = folder / 'tiny.py'
    path.write_text(
        f"_base_ = '{CONFIGS}/real_sr/acda-restorer_photographs-x4.py'\n"
        "crop = dict(type='PairedRandomCrop', gt_patch_size=16)\n"
        'train_dataloader = ' + loader.format(
            root=folder, split='Train', part='val').replace(
                '_base_.val_pipeline', "[dict(type='LoadImagePair'), crop, "
                "dict(type='PackInputs')]") + '\nval_dataloader = ' +
        loader.format(root=folder, split='Test', part='val') + '\n',
            encoding='utf-8')
    return path


def test_ablation_trains_measures_and_resumes(run, tmp_path):
    pytest.importorskip('mmagic')
    from mmacda.evaluation import RealSRMetric
    config = tiny_restoration(tmp_path)
    arguments = ('--config', config, '--out', 'grid', '--iters', 4, '--atoms',
                 1, '--scales', 1, 2, '--full', '--num-blocks', 1,
                 '--mid-channels', 8)
    printed = run('ablation', *arguments)
    cells = re.findall(r'^ +1 +([12]) +([\d.]+) +([\d.]+)', printed, re.M)
    assert [cell[0] for cell in cells] == ['1', '2']
    assert is_picture(tmp_path / 'grid' / 'ablation.png')
    # What it printed is the quality of the checkpoint that it left.
    folder = tmp_path / 'grid' / 'm1_s2'
    model = load_model(str(folder / 'tiny.py'), str(folder / 'iter_4.pth'))
    assert model.generator.bottlenecks[0].conv2.support == 5
    low, high = (cv2.imread(str(
        tmp_path / 'Canon' / 'Test' / '4' / f'Canon_001_{kind}.png'))
        for kind in ('LR4', 'HR'))
    with torch.no_grad():
        output = model(preprocess(model, low))[0].permute(1, 2, 0).numpy()
    # The network sees images centred by its preprocessor.
    output = output * 255 + 127.5
    restored = np.round(np.clip(output, 0, 255)).astype(np.uint8)
    result = json.loads((folder / 'record.json').read_text(
        encoding='utf-8'))['metrics']
    assert f'{result["PSNR"]:.3f}' == cells[1][1]
    # The network gives RGB, the metric takes BGR.
    measured = RealSRMetric().measure(restored[..., ::-1], high)
    for name, value in result.items():
        assert value == pytest.approx(np.mean(measured[name]), abs=1e-3)
    # Done cells are not trained again; without its record, one is resumed.
    before = (folder / 'iter_4.pth').stat().st_mtime_ns
    (folder / 'record.json').unlink()
    again = run('ablation', *arguments)
    assert re.findall(r'^ +1 +.*', again, re.M) == re.findall(
        r'^ +1 +.*', printed, re.M)
    assert (folder / 'iter_4.pth').stat().st_mtime_ns == before
    other = run('ablation', *arguments[:-1], 16)
    assert other.count('is of other settings: training anew') == 2

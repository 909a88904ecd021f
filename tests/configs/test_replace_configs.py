"""Each ready config trains two iterations with its framework's own tool."""
import runpy
import sys
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image

from mmacda.checkpoints import load_checkpoint
from mmacda.layers import ACDAConv

CONFIGS = Path(__file__).parents[2] / 'configs' / 'replace'


@pytest.fixture(scope='module')
def imagenet(tmp_path_factory):
    """Four JPEGs as mmpretrain's ImageNet-1k reads it."""
    root = tmp_path_factory.mktemp('imagenet')
    (root / 'train').mkdir()
    (root / 'meta').mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for i in range(4):
        pixels = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / 'train' / f'{i}.jpg')
        lines.append(f'{i}.jpg {i % 2}\n')
    (root / 'meta' / 'train.txt').write_text(''.join(lines), encoding='utf-8')
    return root


@pytest.fixture(scope='module')
def pairs(tmp_path_factory):
    """Four PNG pairs as mmagic's DIV2K, at x2 and x4."""
    root = tmp_path_factory.mktemp('div2k')
    rng = np.random.default_rng(0)
    for folder, side in (('gt', 48), ('x2', 24), ('x4', 12)):
        (root / folder).mkdir()
        for i in range(4):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f'{i}.png')
    return root


def train(framework, config, work_dir, flags, options, monkeypatch):
    """Run the framework's tools/train.py; its last checkpoint."""
    mim = Path(framework.__file__).parent / '.mim'
    options = [f'{key}={value}' for key, value in options.items()]
    monkeypatch.setattr(sys, 'argv', [
        'train.py',
        str(CONFIGS / config), '--work-dir',
        str(work_dir), *flags, '--cfg-options', *options
    ])
    monkeypatch.setenv('LOCAL_RANK', '0')
    scope = framework.__name__
    with DefaultScope.overwrite_default_scope(scope):
        runpy.run_path(str(mim / 'tools' / 'train.py'), run_name='__main__')
    last = (work_dir / 'last_checkpoint').read_text(encoding='utf-8')
    return load_checkpoint(last)


def check(config, checkpoint, scope, layers):
    cfg = Config.fromfile(CONFIGS / config)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build({
            **cfg.model, 'data_preprocessor': cfg.get('data_preprocessor')
        })
    model.load_state_dict(checkpoint['state_dict'])
    found = [m for m in model.modules() if isinstance(m, ACDAConv)]
    assert len(found) == layers
    # Where a convolution does few channels, the cheapest generator.
    assert all(m.atom_generator.conv1.kernel_size == (1, 1) for m in found
               if m.groups > 1)
    if 'resnet50' in config:
        assert all(m.atom_generator.conv1.kernel_size == (3, 3) for m in found)
    assert all(p.isfinite().all() for p in model.parameters())
    assert checkpoint['meta']['iter'] == 2


@pytest.mark.parametrize('config, layers', [
    ('resnet50-acda_8xb32_in1k.py', 16),
    ('mobilenet-v3-small-acda_8xb128_in1k.py', 11),
    ('regnetx-400mf-acda_8xb128_in1k.py', 22),
    ('convnext-tiny-acda_32xb128_in1k.py', 18),
])
def test_mmpretrain(config, layers, imagenet, tmp_path, monkeypatch):
    framework = pytest.importorskip('mmpretrain')
    loader = 'train_dataloader'
    options = {
        f'{loader}.dataset.data_root': imagenet,
        f'{loader}.dataset.pipeline.1.scale': 32,
        f'{loader}.batch_size': 2,
        f'{loader}.num_workers': 0,
        'train_cfg.max_epochs': 1,
        'optim_wrapper.optimizer.lr': 1e-4,
        'param_scheduler': None,
    }
    if 'regnet' in config:  # as many images as the test has
        options['custom_hooks.0.num_samples'] = 4
    flags = ['--no-validate', '--no-pin-memory', '--no-persistent-workers']
    checkpoint = train(framework, config, tmp_path, flags, options,
                       monkeypatch)
    check(config, checkpoint, 'mmpretrain', layers)


@pytest.mark.parametrize('config, scale, layers', [
    ('edsr-acda_x2c64b16_1xb16-300k_div2k.py', 2, 35),
    ('msrresnet-acda_x4c64b16_1xb16-1000k_div2k.py', 4, 36),
])
def test_mmagic(config, scale, layers, pairs, tmp_path, monkeypatch):
    framework = pytest.importorskip('mmagic')
    loader = 'train_dataloader'
    options = {
        f'{loader}.dataset.data_root': pairs,
        f'{loader}.dataset.ann_file': '',
        f'{loader}.dataset.data_prefix.img': f'x{scale}',
        f'{loader}.dataset.data_prefix.gt': 'gt',
        f'{loader}.dataset.pipeline.3.gt_patch_size': 32,
        f'{loader}.batch_size': 2,
        f'{loader}.num_workers': 0,
        'train_cfg.max_iters': 2,
        'default_hooks.checkpoint.out_dir': tmp_path,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    checkpoint = train(framework, config, tmp_path, [], options, monkeypatch)
    check(config, checkpoint, 'mmagic', layers)


def test_nafnet(pairs, tmp_path, monkeypatch):
    """An eighth as wide; on images without _NOISY and _GT in their names."""
    framework = pytest.importorskip('mmagic')
    config = 'nafnet-acda_c64eb2248mb12db2222_8xb8-lr1e-3-400k_sidd.py'
    loader = 'train_dataloader'
    options = {
        f'{loader}.dataset.data_root': pairs,
        f'{loader}.dataset.data_prefix.img': 'gt',
        f'{loader}.dataset.filename_tmpl.img': '{}',
        f'{loader}.dataset.filename_tmpl.gt': '{}',
        f'{loader}.dataset.pipeline.6.gt_patch_size': 32,
        f'{loader}.batch_size': 2,
        f'{loader}.num_workers': 0,
        'model.generator.mid_channels': 8,
        'train_cfg.max_iters': 2,
        'default_hooks.checkpoint.out_dir': tmp_path,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    checkpoint = train(framework, config, tmp_path, [], options, monkeypatch)
    assert checkpoint['meta']['iter'] == 2
    weights = checkpoint['state_dict']
    assert all(v.isfinite().all() for v in weights.values())
    generators = [
        key for key in weights if key.endswith('atom_generator.conv1.weight')
    ]
    assert len(generators) == 2 + 2 + 4 + 8 + 12 + 2 + 2 + 2 + 2
    assert all(weights[key].shape[2:] == (1, 1) for key in generators)
    loads = Config.fromfile(CONFIGS / config).train_dataloader.dataset.pipeline
    assert [step.channel_order for step in loads[:2]] == ['rgb', 'rgb']


def test_warm_start_tool(tmp_path, monkeypatch, capsys):
    """The whole comparison on resnet18-small_1xb64_digits.py, cut short."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('sklearn')
    monkeypatch.setattr(sys, 'argv', [
        'warm_start.py', '--epochs', '1', '--work-dir',
        str(tmp_path), '--cfg-options', 'model.backbone.base_channels=4',
        'model.backbone.stem_channels=4', 'model.head.in_channels=32',
        'train_cfg.max_epochs=1', 'train_dataloader.dataset.indices=128',
        'val_dataloader.dataset.indices=50'
    ])
    tool = CONFIGS.parents[1] / 'tools' / 'experiments' / 'warm_start.py'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        runpy.run_path(str(tool), run_name='__main__')
    rows = [
        line for line in capsys.readouterr().out.splitlines()
        if 'm = ' in line and '%' in line
    ]
    assert len(rows) == 3
    exact, nine, six = (line.replace('│', ' ').split() for line in rows)
    assert exact[-4] == '100.0%' and float(exact[-2]) == 0
    energies = [float(row[-4].rstrip('%')) for row in (exact, nine, six)]
    assert energies == sorted(energies, reverse=True)


def test_every_config_is_trained_here():
    source = Path(__file__).read_text(encoding='utf-8')
    configs = list(mmengine.scandir(CONFIGS, '.py'))
    assert configs
    assert all(name in source for name in configs)

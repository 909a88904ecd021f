"""RealSR's configs on tiny archives, with mmagic's own, unmodified tools."""
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from PIL import Image

from mmacda.checkpoints import load_checkpoint
from mmacda.datasets import photographs

mmagic = pytest.importorskip('mmagic')

CONFIGS = Path(__file__).parents[2] / 'configs' / 'real_sr'
NAMES = sorted(path.stem for path in CONFIGS.glob('*.py')
               if 'city100' not in path.stem)  # test_city100_configs.py
PATCH = 24
# The archives, and how many times smaller their LR images are.
ARCHIVES = {
    'RealSR(ICCV2019)': dict.fromkeys((2, 3, 4), 1),
    'RealSR(V2)': dict.fromkeys((2, 3, 4), 1),
    'RealSR(V3)': {2: 2, 3: 3, 4: 4},
}


@pytest.fixture(scope='module')
def workspace(tmp_path_factory):
    """A working folder with every archive in data/, unconverted."""
    root = tmp_path_factory.mktemp('workspace')
    rng = np.random.default_rng(0)
    for archive, ratios in ARCHIVES.items():
        for scale, ratio in ratios.items():
            for camera in ('Canon', 'Nikon'):
                for split in ('Train', 'Test'):
                    folder = root / 'data' / archive / camera / split / str(
                        scale)
                    folder.mkdir(parents=True)
                    for kind, divisor in (('HR', 1), (f'LR{scale}', ratio)):
                        size = (36 // divisor, 48 // divisor, 3)
                        Image.fromarray(
                            rng.integers(0, 256, size, dtype=np.uint8)).save(
                                folder / f'{camera}_001_{kind}.png')
    return root


@pytest.fixture
def small_photographs(monkeypatch):
    full = photographs.read_photograph
    monkeypatch.setattr(photographs, 'read_photograph',
                        lambda name: full(name)[100:148, 100:148])


def run_tool(tool, config, arguments, options, monkeypatch):
    mim = Path(mmagic.__file__).parent / '.mim'
    monkeypatch.setattr(sys, 'argv', [
        tool,
        str(CONFIGS / f'{config}.py'), *map(str, arguments), '--cfg-options',
        *[f'{key}={value}' for key, value in options.items()]
    ])
    monkeypatch.setenv('LOCAL_RANK', '0')
    with DefaultScope.overwrite_default_scope('mmagic'):
        runpy.run_path(str(mim / 'tools' / tool), run_name='__main__')


@pytest.mark.parametrize('config, crop, metrics', [
    ('acda-restorer_realsr-v2-x4', 'dataset.pipeline.1',
     ['RealSR', 'RealSR-tiles']),
    ('acda-restorer-conv_realsr-v3-x3', 'dataset.pipeline.1',
     ['RealSR', 'RealSR-tiles']),
    ('acda-restorer_photographs-x4', 'dataset.dataset.pipeline.1', ['RealSR']),
])
def test_mmagic_trains_and_tests(config, crop, metrics, workspace, tmp_path,
                                 small_photographs, monkeypatch):
    monkeypatch.chdir(workspace)
    loaders = ('train', 'val', 'test')
    options = {
        f'train_dataloader.{crop}.gt_patch_size': PATCH,
        'train_dataloader.batch_size': 2,
        **{f'{name}_dataloader.num_workers': 0 for name in loaders},
        **{f'{name}_dataloader.persistent_workers': False for name in loaders},
        'model.generator.num_blocks': 1,
        'model.generator.mid_channels': 8,
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'default_hooks.checkpoint.interval': 2,
    }
    run_tool('train.py', config, ['--work-dir', tmp_path], options,
             monkeypatch)
    assert not (workspace / 'work_dirs').exists()
    checkpoint = load_checkpoint((tmp_path / 'last_checkpoint').read_text(encoding='utf-8'))
    assert checkpoint['meta']['iter'] == 2
    weights = checkpoint['state_dict']
    assert all(v.isfinite().all() for v in weights.values())
    assert list(tmp_path.glob('best_PSNR_iter_2.pth'))
    result = tmp_path / 'result.json'
    run_tool(
        'test.py', config,
        [tmp_path / 'iter_2.pth', '--work-dir', tmp_path, '--out', result],
        options, monkeypatch)
    result = json.loads(result.read_text(encoding='utf-8'))
    assert set(result) == {'PSNR', 'SSIM'} | {
        f'{prefix}/{name}' for prefix in metrics for name in ('PSNR', 'SSIM')
    }
    # Only rounding lies between the two conventions.
    assert result['RealSR/PSNR'] == pytest.approx(result['PSNR'], abs=0.1)
    assert result['RealSR/SSIM'] == pytest.approx(result['SSIM'], abs=0.01)
    pictures = list(tmp_path.rglob('vis_image/*_HR*.png'))
    assert len(pictures) == (6 if 'photographs' in config else 2)


@pytest.mark.parametrize('name', NAMES)
def test_config_trains_and_predicts(name, workspace, small_photographs,
                                    monkeypatch):
    """What each config says of its data and its network, for one batch."""
    monkeypatch.chdir(workspace)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.model.generator.update(num_blocks=1, mid_channels=8)
    for key in ('train', 'val', 'test'):
        dataset = cfg[f'{key}_dataloader'].dataset
        inner = dataset.get('dataset', dataset)
        inner.serialize_data = False  # saves a garbage collection each
        assert inner.split == ('Train' if key == 'train' else 'Test')
        if key == 'train':
            inner.pipeline[1].gt_patch_size = PATCH
    *_, version, scale = name.split('_')[-1].split('-')
    scale = int(scale.lstrip('x'))
    ratio = scale if version == 'v3' else 1
    assert inner.scale == scale
    with DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(cfg.model)
        datasets = [
            DATASETS.build(cfg[f'{key}_dataloader'].dataset)
            for key in ('train', 'val', 'test')
        ]
    assert model.generator.upscale == ratio
    train, val, test = datasets
    assert [len(d.datasets) for d in datasets] == [2, 2, 2]
    torch.manual_seed(0)
    batch = model.data_preprocessor(
        pseudo_collate([train[0], train[1]]), training=True)
    assert batch['inputs'].shape[2:] == (PATCH // ratio, ) * 2
    model(**batch, mode='loss')['loss'].backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    for dataset in (val, test):
        path = dataset[0]['data_samples'].gt_path
        assert f'/Test/{scale}/' in path
        if 'photographs' not in name:
            archive = dict(zip(('v1', 'v2', 'v3'), ARCHIVES))[version]
            assert f'data/{archive}/' in path
    model.eval()
    sample, = model.val_step(pseudo_collate([val[0]]))
    assert sample.output.pred_img.shape == sample.gt_img.shape


def test_colours_are_rgb_in_training_and_validation(workspace, monkeypatch):
    """A red image is red for the network and BGR for the metrics."""
    monkeypatch.chdir(workspace)
    cfg = Config.fromfile(CONFIGS / 'acda-restorer_realsr-v2-x2.py')
    for path in Path('data/RealSR(V2)').glob('*/*/2/*.png'):
        Image.new('RGB', (48, 36), (255, 0, 0)).save(path)
    cfg.train_dataloader.dataset.pipeline[1].gt_patch_size = PATCH
    with DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(cfg.model)
        train, val = (
            DATASETS.build(cfg[f'{key}_dataloader'].dataset)
            for key in ('train', 'val'))
    red = torch.tensor([1., 0, 0])
    for dataset, training in ((train, True), (val, False)):
        batch = model.data_preprocessor(
            pseudo_collate([dataset[0]]), training)
        centred = red - 0.5
        assert torch.equal(batch['inputs'].mean((0, 2, 3)), centred)
        target = batch['data_samples'].gt_img.float().mean((0, 2, 3))
        assert torch.equal(target, centred if training else 255 * red.flip(0))
    model.eval()
    torch.nn.init.zeros_(model.generator.up_conv2.weight)
    sample, = model.val_step(pseudo_collate([val[0]]))
    assert torch.equal(sample.output.pred_img, sample.gt_img.float())


@pytest.mark.parametrize('key, values', [
    ('num_atoms', {m: m for m in (3, 5, 7, 9, 11, 13, 15)}),
    ('scales', {s: tuple(range(3, 2 * s + 2, 2)) for s in (1, 2, 4, 5)}),
])
def test_table_b(key, values):
    """The paper's ablation, on RealSR Final at x3; its m = 6 and S = 3 are
    the plain config."""
    letter = 'm' if key == 'num_atoms' else 's'
    for number, value in values.items():
        cfg = Config.fromfile(
            CONFIGS / f'acda-restorer-{letter}{number}_realsr-v2-x3.py')
        cfg.model.generator.num_blocks = 1
        layer = MODELS.build(cfg.model.generator).bottlenecks[0].conv2
        atoms, scales = (value, (3, 5, 7)) if letter == 'm' else (6, value)
        assert layer.num_atoms == atoms
        assert layer.num_coefficients == 6 * len(scales)
        assert layer.support == scales[-1]

"""The denoising configs on tiny data, with mmagic's own, unmodified tools."""
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
from mmacda.datasets.sidd import cut_pairs

mmagic = pytest.importorskip('mmagic')

CONFIGS = Path(__file__).parents[2] / 'configs' / 'denoising'
NAMES = sorted(path.stem for path in CONFIGS.glob('*.py'))
PATCH = 16
METRICS = {'PSNR', 'SSIM', 'SIDD/PSNR', 'SIDD/SSIM-2d', 'SIDD/SSIM-3d'}


@pytest.fixture(scope='module')
def workspace(tmp_path_factory):
    """A working folder with data/SIDD: train by our converter, val as
    mmagic's writes it."""
    root = tmp_path_factory.mktemp('workspace')
    rng = np.random.default_rng(0)

    def save(path, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, 'png')

    for kind in ('GT', 'NOISY'):
        save(root / 'SIDD' / 'Data' / 'i' / f'0001_{kind}_SRGB_010.PNG',
             (36, 48))
        for n in range(2):
            save(root / 'data/SIDD/val' / kind.lower() /
                 f'val_{n}_{kind}.png', (24, 24))
    cut_pairs(str(root / 'SIDD'), str(root / 'data/SIDD/train'), 24, 16)
    return root


@pytest.fixture
def small_photographs(monkeypatch):
    full = photographs.read_photograph
    monkeypatch.setattr(photographs, 'read_photograph',
                        lambda name: full(name)[100:124, 100:124])


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


def crop_of(config):
    """The step that crops, from the training pipeline's data loader."""
    nested = 'photographs' in config
    return f'dataset.{"dataset." if nested else ""}pipeline.1'


@pytest.mark.parametrize('config', [
    'acda-restorer_sidd', 'acda-vdn_sidd', 'acda-vdn_photographs-noise'
])
def test_mmagic_trains_and_tests(config, workspace, tmp_path,
                                 small_photographs, monkeypatch):
    monkeypatch.chdir(workspace)
    loaders = ('train', 'val', 'test')
    options = {
        f'train_dataloader.{crop_of(config)}.gt_patch_size': PATCH,
        'train_dataloader.batch_size': 2,
        **{f'{name}_dataloader.num_workers': 0 for name in loaders},
        **{f'{name}_dataloader.persistent_workers': False for name in loaders},
        'model.generator.num_blocks': 1,
        'model.generator.mid_channels': 8,
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'default_hooks.checkpoint.interval': 2,
    }
    if 'vdn' in config:
        options['model.noise_net.mid_channels'] = 4
        options['optim_wrapper.tighten_interval'] = 2
    run_tool('train.py', config, ['--work-dir', tmp_path], options,
             monkeypatch)
    checkpoint = load_checkpoint((tmp_path / 'last_checkpoint').read_text(encoding='utf-8'))
    assert checkpoint['meta']['iter'] == 2
    weights = checkpoint['state_dict']
    assert all(v.isfinite().all() for v in weights.values())
    if 'vdn' in config:
        limits = checkpoint['optimizer']['clipping']['limits']
        assert 0 < limits['denoiser'] <= 1e4 and 0 < limits['noise'] < 1e3
    result = tmp_path / 'result.json'
    run_tool(
        'test.py', config,
        [tmp_path / 'iter_2.pth', '--work-dir', tmp_path, '--out', result],
        options, monkeypatch)
    result = json.loads(result.read_text(encoding='utf-8'))
    assert set(result) == METRICS
    # Only rounding lies between the two.
    assert result['SIDD/PSNR'] == pytest.approx(result['PSNR'], abs=0.1)
    assert result['SIDD/SSIM-2d'] == pytest.approx(result['SSIM'], abs=0.01)
    assert result['SIDD/SSIM-2d'] != result['SIDD/SSIM-3d']


def build(config):
    """A small model of a config, and its datasets."""
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    small = dict(base_channels=4) if config == 'vdn_sidd' else dict(
        num_blocks=1, mid_channels=8)
    cfg.model.generator.update(small)
    if 'noise_net' in cfg.model:
        cfg.model.noise_net.mid_channels = 4
    for key in ('train', 'val', 'test'):
        dataset = cfg[f'{key}_dataloader'].dataset
        inner = dataset.get('dataset', dataset)
        inner.serialize_data = False  # saves a garbage collection each
        if key == 'train':
            inner.pipeline[1].gt_patch_size = PATCH
    with DefaultScope.overwrite_default_scope('mmagic'):
        return MODELS.build(cfg.model), [
            DATASETS.build(cfg[f'{key}_dataloader'].dataset)
            for key in ('train', 'val', 'test')
        ]


@pytest.mark.parametrize('name', NAMES)
def test_config_trains_and_predicts(name, workspace, small_photographs,
                                    monkeypatch):
    """What each config says of its data and its network, for one batch."""
    monkeypatch.chdir(workspace)
    model, (train, val, test) = build(name)
    assert [len(train), len(val), len(test)] == (
        [24, 9, 9] if 'photographs' in name else [6, 2, 2])
    torch.manual_seed(0)
    batch = model.data_preprocessor(
        pseudo_collate([train[0], train[1]]), training=True)
    assert batch['inputs'].shape == (2, 3, PATCH, PATCH)
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    model.eval()
    for dataset in (val, test):
        sample = dataset[0]
        paths = [sample['data_samples'].get(key)
                 for key in ('img_path', 'gt_path')]
        assert paths[0].replace('NOISY', 'GT').replace('/noisy/',
                                                       '/gt/') == paths[1]
        output, = model.val_step(pseudo_collate([sample]))
        assert output.output.pred_img.shape == output.gt_img.shape


def test_photographs_are_not_shared_by_train_and_test(
        workspace, small_photographs, monkeypatch):
    monkeypatch.chdir(workspace)
    _, datasets = build('acda-restorer_photographs-noise')
    found = [{Path(data['gt_path']).read_bytes() for data in dataset}
             for dataset in ([d.get_data_info(i) for i in range(len(d))]
                             for d in datasets)]
    assert len(found[0]) == 8 and len(found[1]) == 3
    assert not found[0] & found[1] and found[1] == found[2]


@pytest.mark.parametrize('name', ['acda-restorer_sidd', 'vdn_sidd'])
def test_colours_are_rgb_in_training_and_validation(name, workspace, tmp_path,
                                                    monkeypatch):
    """A red picture is red for the network, and BGR for the metrics."""
    for folder, kind in (('noisy', 'NOISY'), ('gt', 'GT')):
        for split in ('train', 'val'):
            path = tmp_path / 'data/SIDD' / split / folder
            path.mkdir(parents=True)
            Image.new('RGB', (24, 24), (255, 0, 0)).save(
                path / f'0_{kind}.png')
    monkeypatch.chdir(tmp_path)
    model, (train, val, _) = build(name)
    red = torch.tensor([1., 0, 0])
    centred = red - model.data_preprocessor.mean.flatten() / 255
    for dataset, training in ((train, True), (val, False)):
        batch = model.data_preprocessor(
            pseudo_collate([dataset[0]]), training)
        assert torch.equal(batch['inputs'].mean((0, 2, 3)), centred)
        target = batch['data_samples'].gt_img.float().mean((0, 2, 3))
        assert torch.equal(target, centred if training else 255 * red.flip(0))
    model.eval()
    last = 'last' if name == 'vdn_sidd' else 'up_conv2'
    torch.nn.init.zeros_(getattr(model.generator, last).weight)
    torch.nn.init.zeros_(getattr(model.generator, last).bias)
    sample, = model.val_step(pseudo_collate([val[0]]))
    assert torch.equal(sample.output.pred_img, sample.gt_img.float())


def test_vdn_is_the_original():
    cfg = Config.fromfile(CONFIGS / 'vdn_sidd.py')
    with DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) == 7_816_780
    assert model.pixel_loss.prior_variance == 1e-6
    assert model.pixel_loss.radius == 3
    assert not model.start_at_prior
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=2e-4)
    assert cfg.optim_wrapper.clip_grad == dict(denoiser=1e4, noise=1e3)
    epochs = [m // 5000 for m in cfg.param_scheduler.milestones]
    assert epochs == [10, 20, 25, 30, 35, 40, 45]
    assert cfg.train_dataloader.batch_size == 64
    assert cfg.train_dataloader.dataset.pipeline[1].gt_patch_size == 128


def test_acda_has_no_more_parameters_than_its_twin():
    counts = {}
    for name in NAMES:
        if name.startswith('acda-restorer'):
            cfg = Config.fromfile(CONFIGS / f'{name}.py')
            generator = MODELS.build(cfg.model.generator)
            counts[name] = sum(p.numel() for p in generator.parameters())
    for data in ('sidd', 'photographs-noise'):
        assert counts[f'acda-restorer_{data}'] <= \
            counts[f'acda-restorer-conv_{data}']

"""mmpretrain's own tools, unmodified, on a config with ACDAConv inside."""
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mmacda.checkpoints.safe_loading import SAFE_BY_DEFAULT
from tests import fresh

mmpretrain = pytest.importorskip('mmpretrain')

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(mmpretrain.__file__).parent / '.mim' / 'tools'
CONFIG = ROOT / 'configs' / 'resnet' / 'resnet18-acda_8xb32_in1k.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two classes of JPEGs in ImageNet's layout, and a place for runs."""
    from PIL import Image
    root = tmp_path_factory.mktemp('tools')
    rng = np.random.default_rng(0)
    (root / 'imagenet' / 'meta').mkdir(parents=True)
    for split in ('train', 'val'):
        lines = []
        for label, name in enumerate(('n01440764', 'n01443537')):
            images = root / 'imagenet' / split / name
            images.mkdir(parents=True)
            for n in range(4):
                pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
                Image.fromarray(pixels).save(images / f'{n}.JPEG')
                lines.append(f'{name}/{n}.JPEG {label}')
        meta = root / 'imagenet' / 'meta' / f'{split}.txt'
        meta.write_text('\n'.join(lines), encoding='utf-8')
    return root


def run_tool(folder, tool, *arguments, options=(), config=CONFIG, fails=False,
             **env):
    command = [
        TOOLS / tool, config, *arguments, '--cfg-options', *[
            f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
            for key in (f'dataset.data_root={folder / "imagenet"}',
                        'num_workers=0', 'persistent_workers=False',
                        'batch_size=4')
        ], 'train_dataloader.dataset.pipeline.1.scale=32', *[
            f'{loader}_dataloader.dataset.pipeline.{key}'
            for loader in ('val', 'test')
            for key in ('1.scale=36', '2.crop_size=32')
        ], 'optim_wrapper.optimizer.lr=0.001',
        'randomness.seed=0', 'default_hooks.logger.interval=1', *options
    ]
    done = fresh.run(*command, cwd=folder, OMP_NUM_THREADS='1',
                     CUDA_VISIBLE_DEVICES='', **env)
    assert bool(done.returncode) == fails, \
        done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_commands_here_start_as_new_processes_do(tmp_path):
    done = fresh.run('-c', 'import sys; print(*sys.modules); exit(3)',
                     cwd=tmp_path)
    packages = {name.split('.')[0] for name in done.stdout.split()}
    assert done.returncode == 3 and 'mmpretrain' in packages
    assert not packages & {'mmacda', '_pytest'}


@pytest.fixture(scope='module')
def trained(folder):
    """A run that stopped after the first epoch."""
    work_dir = folder / 'run'
    log = run_tool(
        folder, 'train.py', '--work-dir', work_dir,
        options=['train_cfg.max_epochs=1'])
    return work_dir, log


def test_train(trained):
    work_dir, log = trained
    losses = [float(x) for x in re.findall(r'loss: ([\d.]+|nan)', log)]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert 'accuracy/top1' in log
    checkpoint = torch.load(
        work_dir / 'epoch_1.pth', map_location='cpu', weights_only=False)
    generator = 'backbone.layer1.0.conv1.atom_generator.conv1.weight'
    assert generator in checkpoint['state_dict']
    # What makes the safe loader stumble is really in there.
    assert checkpoint['message_hub']['log_scalars']


def test_test_tool_loads_a_training_checkpoint(folder, trained):
    log = run_tool(folder, 'test.py', trained[0] / 'epoch_1.pth')
    assert re.search(r'accuracy/top1: \d', log)


def test_resume_goes_on_where_it_stopped(folder, trained):
    log = run_tool(
        folder, 'train.py', '--work-dir', trained[0], '--resume',
        options=['train_cfg.max_epochs=2'])
    assert 'resumed epoch: 1' in log
    assert re.search(r'Epoch\(train\)\s+\[2\]', log)
    assert not re.search(r'Epoch\(train\)\s+\[1\]', log)
    assert (trained[0] / 'epoch_2.pth').exists()


def test_amp_on_cpu(folder):
    log = run_tool(
        folder, 'train.py', '--work-dir', folder / 'amp', '--amp',
        options=['train_cfg.max_epochs=1'])
    losses = [float(x) for x in re.findall(r'loss: ([\d.]+|nan)', log)]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert (folder / 'amp' / 'epoch_1.pth').exists()


# A user's own config: with mmacda and nothing of its patches, and as it is.
OWN = '''
_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
{}
'''
ALONE = '''
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
model = dict(backbone=dict(conv_cfg=dict(type='ACDAConv')))
'''
# What users of MMEngine 0.10 set to read their own trainings since torch 2.6.
READ_ALL = dict(TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD='1')


@pytest.fixture(scope='module')
def alone(folder):
    """A training of one epoch that imports mmacda alone."""
    config, work_dir = folder / 'alone.py', folder / 'alone'
    config.write_text(OWN.format(ALONE), encoding='utf-8')
    run_tool(folder, 'train.py', '--work-dir', work_dir, config=config,
             options=['train_cfg.max_epochs=1'])
    return config, work_dir


def test_importing_alone_resumes_and_tests(folder, alone):
    config, work_dir = alone
    assert (work_dir / 'epoch_1.pth').exists()
    log = run_tool(folder, 'train.py', '--work-dir', work_dir, '--resume',
                   config=config, options=['train_cfg.max_epochs=2'],
                   **READ_ALL)
    assert 'resumed epoch: 1' in log and '(VERY_LOW    ) CheckpointHook' in log
    log = run_tool(folder, 'test.py', work_dir / 'epoch_2.pth', config=config,
                   **READ_ALL)
    assert re.search(r'accuracy/top1: \d', log)


def test_importing_alone_fails_where_it_would_without_us(folder, alone):
    """And with the same words."""
    config, work_dir = alone
    without = folder / 'without.py'
    without.write_text(OWN.format(''), encoding='utf-8')
    ours, theirs = (
        run_tool(folder, 'test.py', work_dir / 'epoch_1.pth', config=path,
                 fails=SAFE_BY_DEFAULT)
        for path in (config, without))
    if SAFE_BY_DEFAULT:
        for log in (ours, theirs):
            assert 'GLOBAL mmengine.logging.history_buffer.HistoryBuffer' in \
                log
        assert ours.splitlines()[-3:] == theirs.splitlines()[-3:]

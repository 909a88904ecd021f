"""tools/train.py and tools/test.py, on configs of both frameworks."""
import json
import os
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from PIL import Image

from mmacda.checkpoints import load_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'
DIGITS = TOOLS.parent / 'configs/ad_resnet/ad-resnet-s_digits.py'
# A network of 5k parameters on 16 digits, 2 steps per epoch.
SMALL = [
    'model.backbone.stem_channels=4', 'model.head.in_channels=8',
    'train_dataloader.dataset.indices=16', 'train_dataloader.batch_size=8',
    'val_dataloader.dataset.indices=8', 'test_dataloader.dataset.indices=8',
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
    'default_hooks.checkpoint.interval=1', 'randomness.seed=0'
]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run a tool as a command would, and return its globals.

    ``run.refused`` gives the sentence of a tool that is used wrongly.
    """
    monkeypatch.setenv('LOCAL_RANK', '0')

    def call(script, *arguments):
        monkeypatch.setattr(sys, 'argv',
                            [script, *(str(a) for a in arguments)])
        return runpy.run_path(str(TOOLS / script), run_name='__main__')

    def refused(script, *arguments):
        with pytest.raises(SystemExit) as stop:
            call(script, *arguments)
        assert stop.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    call.refused = refused
    return call


@pytest.fixture
def small(tmp_path):
    """The digits config with a small network."""
    path = tmp_path / 'small_digits.py'
    path.write_text(f'_base_ = {str(DIGITS)!r}\n'
                    'model = dict(backbone=dict(arch=dict(_delete_=True,\n'
                    '    stage_widths=[4, 4, 6, 8],\n'
                    '    stage_blocks=[1, 1, 1, 1])))\n', encoding='utf-8')
    return path


def load(path):
    return load_checkpoint(str(path))


def scalars(work_dir):
    lines = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines += [json.loads(line) for line in path.read_text(
            encoding='utf-8').splitlines()]
    return lines


def test_train_resume_and_test(run, small, tmp_path):
    pytest.importorskip('mmpretrain')
    work_dir = tmp_path / 'work'
    options = ['--work-dir', work_dir, '--cfg-options', *SMALL]
    run('train.py', small, *options)
    first = load(work_dir / 'epoch_1.pth')
    assert first['meta']['epoch'] == 1 and first['meta']['iter'] == 2
    # --resume continues from there; 'auto' finds the last checkpoint.
    run('train.py', small, '--resume', *options, 'train_cfg.max_epochs=2')
    second = load(work_dir / 'epoch_2.pth')
    assert second['meta']['epoch'] == 2 and second['meta']['iter'] == 4
    run('train.py', small, '--resume', work_dir / 'epoch_1.pth', *options,
        'train_cfg.max_epochs=2')
    again = load(work_dir / 'epoch_2.pth')
    assert again['meta']['iter'] == 4

    out = tmp_path / 'results' / 'metrics.json'
    checkpoint = work_dir / 'epoch_2.pth'
    run('test.py', small, checkpoint, '--out', out, '--out-item', 'metrics',
        '--show-dir', tmp_path / 'drawn', *options)
    metrics = json.loads(out.read_text(encoding='utf-8'))
    assert list(out.parent.iterdir()) == [out]
    validated = [s for s in scalars(work_dir) if 'accuracy/top1' in s]
    assert metrics['accuracy/top1'] == validated[-1]['accuracy/top1']
    drawn = list((tmp_path / 'drawn').rglob('*.png'))
    assert len(drawn) == 8

    predictions = tmp_path / 'predictions.pkl'
    run('test.py', small, checkpoint, '--out', predictions, *options)
    samples = pickle.loads(predictions.read_bytes())
    hits = [int(s['pred_label'] == s['gt_label']) for s in samples]
    assert len(hits) == 8
    assert np.mean(hits) * 100 == pytest.approx(metrics['accuracy/top1'])


def test_amp_scaled_rate_and_no_validation(run, small, tmp_path):
    pytest.importorskip('mmpretrain')
    work_dir = tmp_path / 'work'
    run('train.py', small, '--work-dir', work_dir, '--amp', '--auto-scale-lr',
        '--no-validate', '--no-pin-memory', '--no-persistent-workers',
        '--cfg-options', *[o for o in SMALL if not o.startswith('val')],
        'optim_wrapper.dtype=bfloat16',
        'param_scheduler=[]', 'default_hooks.logger.interval=1')
    cfg = Config.fromfile(work_dir / small.name)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.val_dataloader is None
    logged = scalars(work_dir)
    assert not any('accuracy/top1' in s for s in logged)
    # Batch 8 instead of the config's 64, and a rate of 0.05.
    assert logged[0]['lr'] == pytest.approx(0.05 * 8 / 64)
    assert np.isfinite(logged[-1]['loss'])


def test_config_of_mmagic(run, tmp_path):
    pytest.importorskip('mmagic')
    rng = np.random.default_rng(0)
    for folder, side in (('gt', 32), ('lq', 8)):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        for i in range(2):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'data' / folder /
                                         f'{i}.png')
    config = tmp_path / 'restorer.py'
    config.write_text(f"""
_base_ = 'mmagic::srcnn/srcnn_x4k915_1xb16-1000k_div2k.py'
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
train_cfg = dict(max_iters=2, val_interval=2)
pairs = dict(
    type='BasicImageDataset', metainfo=dict(task_name='sisr'),
    data_root={str(tmp_path / 'data')!r}, data_prefix=dict(img='lq', gt='gt'))
load = [dict(type='LoadImageFromFile', key=key, channel_order='rgb')
        for key in ('img', 'gt')]
pack = [dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=1, num_workers=0,
    dataset=dict(_delete_=True, pipeline=load + pack, **pairs))
loader = dict(
    num_workers=0, dataset=dict(pipeline=load + pack, **pairs),
    sampler=dict(type='DefaultSampler', shuffle=False))
evaluator = dict(type='Evaluator', metrics=[dict(type='PSNR')])
val_dataloader = dict(_delete_=True, **loader)
val_evaluator = dict(_delete_=True, **evaluator)
val_cfg = dict(_delete_=True, type='MultiValLoop')
test_dataloader = [loader]
test_evaluator = [evaluator]
test_cfg = dict(_delete_=True, type='MultiTestLoop')
default_hooks = dict(checkpoint=dict(
    interval=2, out_dir={str(tmp_path)!r}, save_best=None))
custom_hooks = []
""", encoding='utf-8')
    work_dir = tmp_path / 'work'
    run('train.py', config, '--work-dir', work_dir)
    checkpoint = work_dir / 'iter_2.pth'
    assert load(checkpoint)['meta']['iter'] == 2
    out = tmp_path / 'metrics.json'
    run('test.py', config, checkpoint, '--work-dir', work_dir, '--out', out,
        '--out-item', 'metrics')
    metrics = json.loads(out.read_text(encoding='utf-8'))
    assert any(key.endswith('PSNR') and np.isfinite(value)
               for key, value in metrics.items())
    assert 'MultiTestLoop' in run.refused(
        'test.py', config, checkpoint, '--work-dir', work_dir, '--out',
        tmp_path / 'predictions.pkl')


@pytest.mark.parametrize('kind', ['OptimWrapper', OptimWrapper])
def test_amp_of_several_wrappers(run, kind):
    enable_amp = runpy.run_path(str(TOOLS / 'train.py'))['enable_amp']
    wrapper = dict(type=kind, optimizer=dict(type='Adam'))
    cfg = Config(
        dict(
            optim_wrapper=dict(
                constructor='MultiOptimWrapperConstructor',
                generator=dict(wrapper),
                discriminator=dict(wrapper))))
    enable_amp(cfg)
    for name in ('generator', 'discriminator'):
        assert cfg.optim_wrapper[name].type == 'AmpOptimWrapper'
        assert cfg.optim_wrapper[name].loss_scale == 'dynamic'
    cfg = Config(
        dict(
            optim_wrapper=dict(
                type='ApexOptimWrapper', optimizer=dict(type='SGD'))))
    with pytest.raises(ValueError, match='ApexOptimWrapper'):
        enable_amp(cfg)


def test_what_a_config_lacks_is_named(run, tmp_path):
    config = tmp_path / 'bare.py'
    config.write_text('', encoding='utf-8')
    assert 'base_batch_size' in run.refused('train.py', config,
                                            '--auto-scale-lr')
    assert 'has no model' in run.refused('train.py', config)
    assert 'optim_wrapper' in run.refused('train.py', config, '--amp')
    assert 'absent.pth: there is no such file' in run.refused(
        'train.py', config, '--resume', 'absent.pth')
    assert 'is not a folder' in run.refused(
        'train.py', config, '--work-dir', config)
    checkpoint = tmp_path / 'w.pth'
    checkpoint.touch()
    assert 'test_dataloader' in run.refused('test.py', config, checkpoint)
    config.write_text('test_cfg = test_dataloader = dict()', encoding='utf-8')
    assert 'visualization' in run.refused(
        'test.py', config, checkpoint, '--show-dir', tmp_path)
    assert '.json' in run.refused(
        'test.py', config, checkpoint, '--out-item', 'metrics', '--out',
        tmp_path / 'metrics.txt')


@pytest.mark.trust('distribution/scripts')
@pytest.mark.parametrize('script, arguments, program, expected', [
    ('dist_train.sh', ['cfg.py', '2', '--amp'], 'python',
     ['torch.distributed.run',
      '--nproc_per_node=2', 'train.py', 'cfg.py', 'pytorch', '--amp']),
    ('dist_test.sh', ['cfg.py', 'a b.pth', '4'], 'python',
     ['torch.distributed.run',
      '--nproc_per_node=4', 'test.py', 'cfg.py', 'a b.pth', 'pytorch']),
    ('slurm_train.sh', ['part', 'job', 'cfg.py', 'work', '--resume'], 'srun',
     ['--job-name=job', 'train.py', 'cfg.py', 'work', '--resume', 'slurm']),
    ('slurm_test.sh', ['part', 'job', 'cfg.py', 'a b.pth'], 'srun',
     ['--job-name=job', 'test.py', 'cfg.py', 'a b.pth', 'slurm']),
])
def test_launchers(script, arguments, program, expected, tmp_path):
    """The command line that reaches python or srun."""
    stub = tmp_path / program
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding='utf-8')
    stub.chmod(0o755)
    (tmp_path / 'cfg.py').touch()
    env = dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}')
    command = ['bash', str(TOOLS / script)]
    result = subprocess.run([*command, *arguments],
                            env=env,
                            capture_output=True,
                            text=True,
                            cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    words = result.stdout.splitlines()
    positions = [
        next(i for i, word in enumerate(words)
             if word == wanted or word.endswith(f'/{wanted}'))
        for wanted in expected
    ]
    assert positions == sorted(positions)
    # Another Python than the first on the path.
    stub.rename(tmp_path / 'other')
    env['PYTHON'] = str(tmp_path / 'other')
    if program == 'python':
        again = subprocess.run([*command, *arguments], env=env, cwd=tmp_path,
                               capture_output=True, text=True)
        assert again.stdout == result.stdout
    missing = subprocess.run(command, env=env, capture_output=True, text=True)
    assert missing.returncode != 0 and 'usage' in missing.stderr


@pytest.mark.parametrize('script, arguments, said', [
    ('dist_train.sh', ['none.py', '2'], 'the config none.py does not exist'),
    ('dist_train.sh', [str(DIGITS), 'two'],
     "GPUS is a number of processes, not 'two'"),
    ('dist_test.sh', [str(DIGITS), 'a.pth', '0'],
     "GPUS is a number of processes, not '0'"),
])
def test_launchers_say_what_is_wrong_once(script, arguments, said, tmp_path):
    result = subprocess.run(['bash', str(TOOLS / script), *arguments],
                            capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f'{script}: error: {said}\n'

"""Small trainings through MMEngine's Runner, one config for each task."""
from pathlib import Path
from typing import List, Sequence

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image
from torch.nn.modules.batchnorm import _BatchNorm

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# Four steps of 8 images. No random augmentation: several processes would
# draw other numbers than one.
CLASSIFICATION = '''
_base_ = {base}
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, stage_widths=[4, 8, 8, 8],
                  stage_blocks=[1, 1, 1, 1]),
        stem_channels=4, zero_init_residual=False),
    head=dict(in_channels=8))
resize = dict(type='Resize', scale=(32, 32))
crop = dict(type='RandomCrop', crop_size=32, padding=2)
train_pipeline = [resize, dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=8,
    collate_fn=dict(type='default_collate'),
    dataset=dict(indices=32, pipeline=train_pipeline))
train_cfg = dict(max_epochs=1)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
optim_wrapper = dict(optimizer=dict(lr=0.05))
param_scheduler = []
default_hooks = dict(
    checkpoint=dict(interval=1),
    logger=dict(interval=1))
log_level = 'ERROR'
log_processor = dict(window_size=1)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])
'''
# One ACDA layer on one image, without a framework.
PATTERNS = '''
_base_ = {base}
dataset = dict(type='MultiScalePatterns', size=32, num_patterns=3,
               max_shift=0)
train_dataloader = dict(
    dataset=dict(_delete_=True, type='RepeatDataset', dataset=dataset,
                 times=8))
train_cfg = dict(max_iters=8)
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=4), logger=dict(interval=1))
log_level = 'ERROR'
'''
COUNTING = '''
_base_ = {base}
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, stage_widths=[4, 8, 8, 8],
                  stage_blocks=[1, 1, 1, 1]),
        stem_channels=4, zero_init_residual=False),
    head=dict(in_channels=8, channels=[8, 8, 4]))
train_pipeline = [
    {{{{_base_.load_image}}}},
    dict(type='GenerateDensityMap', kernel_size=15, sigma=4),
    dict(type='PackCrowdInputs')]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(data_root={folder!r}, hold_out=0., image_size=(64, 64),
                 num_images=dict(train=16, test=1), people=(2, 5),
                 pipeline=train_pipeline))
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
param_scheduler = []
default_hooks = dict(
    visualization=dict(enable=False),
    checkpoint=dict(interval=1, save_best=None), logger=dict(interval=1))
log_level = 'ERROR'
log_processor = dict(window_size=1)
'''
RESTORATION = '''
_base_ = {base}
model = dict(generator=dict(mid_channels=8, num_blocks=2))
train_pipeline = [dict(type='LoadImagePair'), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False,
    dataset=dict(data_root={folder!r}, pipeline=train_pipeline))
train_cfg = dict(max_iters=4, val_interval=4)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = []
custom_hooks = []
default_hooks = dict(
    checkpoint=dict(interval=4, save_best=None), logger=dict(interval=1))
log_level = 'ERROR'
log_processor = dict(window_size=1)
'''
TASKS = {
    'classification': ('ad_resnet/ad-resnet-s_digits.py', CLASSIFICATION),
    'counting': ('counting/ad-resnet-s_synthetic.py', COUNTING),
    'restoration': ('denoising/acda-restorer_sidd.py', RESTORATION),
    'patterns': ('patterns/acda_patterns.py', PATTERNS),
}


def write_config(folder: Path, task: str, extra: str = '') -> Path:
    """The config file of a small training."""
    base, text = TASKS[task]
    folder = Path(folder)
    if task == 'restoration':
        write_pairs(folder)
    path = folder / f'{task}.py'
    path.write_text(
        text.format(base=[str(CONFIGS / base)], folder=str(folder)) + extra,
            encoding='utf-8')
    return path


def write_pairs(folder: Path) -> None:
    """Noisy and clean pictures as SIDD's converter leaves them."""
    rng = np.random.default_rng(0)
    for kind in ('noisy', 'gt'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for i in range(32):
        clean = rng.integers(40, 216, (16, 24, 3), dtype=np.uint8)
        noise = rng.integers(0, 40, clean.shape, dtype=np.uint8)
        Image.fromarray(clean).save(folder / 'gt' / f'{i}_GT.png')
        Image.fromarray(clean + noise).save(folder / 'noisy' /
                                            f'{i}_NOISY.png')


@HOOKS.register_module(force=True)
class FreezeStatistics(Hook):
    """Batch norms keep their statistics: SyncBN needs a GPU."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        for module in runner.model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


class StartKeeper(Hook):
    """The weights before training."""

    def before_train(self, runner) -> None:
        self.start = {
            name: tensor.clone()
            for name, tensor in runner.model.state_dict().items()
        }


class LossRecorder(Hook):
    """Every loss as it is, unrounded and unsmoothed."""

    def __init__(self):
        self.losses: List[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None) -> None:
        self.losses.append(outputs['loss'].item())


def train(path: Path, work_dir: Path, hooks: Sequence[Hook] = (),
          **options) -> List[float]:
    """Train in this process; the losses of all steps."""
    cfg = Config.fromfile(path)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'{path.stem}-{Path(work_dir).name}'
    cfg.merge_from_dict(options)
    runner = Runner.from_cfg(cfg)
    recorder = LossRecorder()
    for hook in (recorder, *hooks):
        runner.register_hook(hook)
    runner.train()
    return recorder.losses


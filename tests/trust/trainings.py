"""Small trainings through MMEngine's Runner, one config for each task."""
import json
from pathlib import Path
from typing import List, Sequence

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# Four steps of 8 images an epoch. Norms keep their statistics where several
# processes are compared with one: SyncBN needs GPUs.
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
TASKS = {
    'classification': ('ad_resnet/ad-resnet-s_digits.py', CLASSIFICATION),
    'patterns': ('patterns/acda_patterns.py', PATTERNS),
}


def write_config(folder: Path, task: str, extra: str = '') -> Path:
    """The config file of a small training."""
    base, text = TASKS[task]
    path = Path(folder) / f'{task}.py'
    bases = [str(CONFIGS / base)]
    path.write_text(text.format(base=bases) + extra)
    return path


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


def logged_losses(work_dir: Path) -> List[float]:
    """The losses that a run in another process logged."""
    path = max(Path(work_dir).glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row['loss'] for row in rows if 'loss' in row]

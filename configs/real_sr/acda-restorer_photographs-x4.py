# Small enough for a CPU: scikit-image's photographs, written on first use.
_base_ = './acda-restorer_realsr-v2-x4.py'

load = dict(type='LoadImagePair', cache=True)
crop = dict(type='PairedRandomCrop', gt_patch_size=96)
train_pipeline = [load, crop, *_base_.train_pipeline[2:]]
val_pipeline = [load, *_base_.val_pipeline[1:]]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='Photographs',
        layout='realsr',
        dataset=dict(
            type='RealSR', scale=4, split='Train', pipeline=train_pipeline)))
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='Photographs',
        layout='realsr',
        dataset=dict(
            type='RealSR', scale=4, split='Test', pipeline=val_pipeline)))
test_dataloader = val_dataloader

# The photographs are smaller than one tile.
val_evaluator = dict(metrics=[
    dict(type='RealSRMetric'),
    dict(type='PSNR', convert_to='Y'),
    dict(type='SSIM', convert_to='Y'),
])
test_evaluator = val_evaluator

model = dict(generator=dict(num_blocks=4))
train_cfg = dict(max_iters=2000, val_interval=500)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=False, T_max=2000, eta_min=1e-6)
default_hooks = dict(checkpoint=dict(interval=500))
randomness = dict(seed=0)

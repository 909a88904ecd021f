# Trained on one core of a CPU, with photographs that are made half as large.
_base_ = './photo-denoiser.py'

train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='ReduceImage', scale=2),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    dataset=dict(
        metainfo=dict(dataset_type='clean_photographs', task_name='sisr'),
        pipeline=train_pipeline))

model = dict(generator=dict(mid_channels=32, num_blocks=3, upscale=2))
max_iters = 800
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.02, end=100),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        T_max=max_iters,
        eta_min=1e-6)
]

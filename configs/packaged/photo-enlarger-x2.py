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

model = dict(generator=dict(upscale=2))

# A cosine that is left before its middle for a straight line to zero.
max_iters, turn = 5000, 3500
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.02, end=100),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        T_max=8000,
        end=turn,
        eta_min=1e-6),
    dict(
        type='LinearLR',
        by_epoch=False,
        start_factor=1,
        end_factor=0.002,
        begin=turn,
        end=max_iters),
]

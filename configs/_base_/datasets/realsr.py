# RealSR V2 ("RealSR Final" in the paper) at x4, both cameras. The paper crops
# at random but does not give the size.
dataset_type = 'RealSR'
data_root = 'data/RealSR(V2)'

train_pipeline = [
    dict(type='LoadImagePair'),
    dict(type='PairedRandomCrop', gt_patch_size=192),
    dict(
        type='Flip',
        keys=['img', 'gt'],
        flip_ratio=0.5,
        direction='horizontal'),
    dict(
        type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
    dict(type='PackInputs')
]
val_pipeline = [dict(type='LoadImagePair'), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        scale=4,
        split='Train',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        scale=4,
        split='Test',
        pipeline=val_pipeline))
test_dataloader = val_dataloader

# RealSR's own evaluation, over images and over its tiles, beside mmagic's.
val_evaluator = dict(
    type='Evaluator',
    metrics=[
        dict(type='RealSRMetric'),
        dict(type='RealSRMetric', tile_mean=True),
        dict(type='PSNR', convert_to='Y'),
        dict(type='SSIM', convert_to='Y'),
    ])
test_evaluator = val_evaluator

# SIDD, cut by tools/dataset_converters/sidd.py (train) and by mmagic's
# converter of the validation blocks (val).
train_pipeline = [
    dict(type='LoadImagePair'),
    dict(type='PairedRandomCrop', gt_patch_size=128),
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
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BasicImageDataset',
        metainfo=dict(dataset_type='sidd_train', task_name='denoising'),
        data_root='data/SIDD/train',
        data_prefix=dict(img='noisy', gt='gt'),
        filename_tmpl=dict(img='{}_NOISY', gt='{}_GT'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BasicImageDataset',
        metainfo=dict(dataset_type='sidd_val', task_name='denoising'),
        data_root='data/SIDD/val',
        data_prefix=dict(img='noisy', gt='gt'),
        filename_tmpl=dict(img='{}_NOISY', gt='{}_GT'),
        pipeline=val_pipeline))
test_dataloader = val_dataloader

# On rounded blocks, with both kinds of SSIM; beside mmagic's own, which do
# not round.
val_evaluator = [dict(type='SIDDMetric'), dict(type='PSNR'), dict(type='SSIM')]
test_evaluator = val_evaluator

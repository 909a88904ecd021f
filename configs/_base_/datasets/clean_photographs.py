# Photographs without noise that tools/dataset_converters/clean_photographs.py
# writes; what is spoilt is made while training.
train_pipeline = [
    dict(type='LoadImagePair', cache=True),
    dict(type='PairedRandomCrop', gt_patch_size=64),
    dict(
        type='Flip',
        keys=['img', 'gt'],
        flip_ratio=0.5,
        direction='horizontal'),
    dict(
        type='Flip', keys=['img', 'gt'], flip_ratio=0.5, direction='vertical'),
    dict(type='RandomTransposeHW', keys=['img', 'gt'], transpose_ratio=0.5),
    dict(type='AddNoise'),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BasicImageDataset',
        metainfo=dict(
            dataset_type='clean_photographs', task_name='denoising'),
        data_root='data/clean_photographs/train',
        data_prefix=dict(img='', gt=''),
        pipeline=train_pipeline))

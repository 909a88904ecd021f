# Drawn crowds, embedded: 240 images to train, 30 held out of the training set
# to validate, 60 to test. They are written to data_root on first use.
dataset_type = 'SyntheticCrowd'
data_root = 'data/synthetic_crowd'
hold_out = 1 / 9

# The points belong to the image without the rotation that EXIF may ask for.
load_image = dict(type='LoadPicture', upright=False)
train_pipeline = [
    load_image,
    dict(type='RandomCropCrowd', crop_size=128),
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='GenerateDensityMap', kernel_size=15, sigma=4),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, dict(type='PackCrowdInputs')]

train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        hold_out=hold_out,
        pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        hold_out=hold_out,
        pipeline=test_pipeline,
        test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='test',
        pipeline=test_pipeline,
        test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='CountingMetric')
test_evaluator = val_evaluator

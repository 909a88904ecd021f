# BCCD: photographs of blood under a microscope, in Pascal VOC's layout, at
# half their resolution. What is counted are the red cells.
dataset_type = 'VOCCounting'
data_root = 'data/BCCD'
classes = ['RBC']

load_image = dict(
    type='KeepLoaded', transform=dict(type='LoadPicture', upright=False))
halve = dict(
    type='ResizeCrowd', shorter_side=(240, 240), interpolation='area')
train_pipeline = [
    load_image,
    halve,
    dict(type='RandomCropCrowd', crop_size=192),
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='RandomFlipCrowd', prob=0.5, direction='vertical'),
    # A cell is about 50 pixels wide.
    dict(type='GenerateDensityMap', kernel_size=31, sigma=8),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, halve, dict(type='PackCrowdInputs')]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        classes=classes,
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
        classes=classes,
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
        classes=classes,
        pipeline=test_pipeline,
        test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='CountingMetric')
test_evaluator = val_evaluator

# Narrower than the counter that it is made of, so that it is below 1 MiB; and
# trained with whole pictures. Cells that the edge of a picture cuts are mostly
# not annotated: crops, whose edges cut others, would teach it to count those.
_base_ = '../counting/ad-resnet-xs-spread_1xb8_bccd.py'

model = dict(
    backbone=dict(
        arch=dict(stage_widths=(24, 48, 80, 160)), stem_channels=24),
    head=dict(in_channels=160, channels=(80, 48, 24)))

# At a quarter of the resolution, where a cell is about 25 pixels wide.
load_image = _base_.load_image
reduce = dict(
    type='ResizeCrowd', shorter_side=(120, 120), interpolation='area')
train_pipeline = [
    load_image,
    reduce,
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='RandomFlipCrowd', prob=0.5, direction='vertical'),
    dict(type='GenerateDensityMap', kernel_size=15, sigma=4),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, reduce, dict(type='PackCrowdInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

max_epochs = 16
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
default_hooks = dict(
    checkpoint=dict(interval=1, save_best=None, max_keep_ckpts=1))

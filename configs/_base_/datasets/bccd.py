# BCCD: photographs of blood under a microscope, in Pascal VOC's layout, at
# half their resolution. What is counted are the red cells.
_base_ = './crowd_loaders.py'

dataset_type = 'VOCCounting'
data_root = 'data/BCCD'
classes = ['RBC']

load_image = dict(
    type='KeepLoaded', transform=dict(type='LoadPicture', upright=False))
halve = dict(
    type='ResizeCrowd', shorter_side=(240, 240), interpolation='area')
# Whole pictures: cells that the edge of a picture cuts are mostly not
# annotated; crops, whose edges cut others, would teach to count those.
train_pipeline = [
    load_image,
    halve,
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='RandomFlipCrowd', prob=0.5, direction='vertical'),
    # A cell is about 50 pixels wide.
    dict(type='GenerateDensityMap', kernel_size=31, sigma=8),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, halve, dict(type='PackCrowdInputs')]

train_dataloader = dict(
    batch_size=8,
    drop_last=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        classes=classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        classes=classes,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

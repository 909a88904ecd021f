# Drawn crowds, embedded: 240 images to train, 30 held out of the training set
# to validate, 60 to test. They are written to data_root on first use.
_base_ = './crowd_loaders.py'

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
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        hold_out=hold_out,
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        hold_out=hold_out,
        pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(
        type=dataset_type, data_root=data_root, pipeline=test_pipeline))

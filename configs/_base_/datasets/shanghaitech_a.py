# ShanghaiTech part A: 300 images to train, 182 to test, of many sizes. The
# paper does not give its crop and batch size; 256 and 10 are DM-Count's, the
# 15 x 15 Gaussian with sigma 4 is C^3 Framework's.
_base_ = './crowd_loaders.py'

dataset_type = 'ShanghaiTech'
data_root = 'data/ShanghaiTech'
# Checkpoints are chosen on a tenth of the training set, never on the test
# set. To train on all of it: hold_out = 0 and no val_dataloader, val_cfg and
# val_evaluator.
hold_out = 0.1

# The points belong to the image without the rotation that EXIF may ask for.
load_image = dict(type='LoadPicture', upright=False)
train_pipeline = [
    load_image,
    dict(type='RandomCropCrowd', crop_size=256),
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='GenerateDensityMap', kernel_size=15, sigma=4),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, dict(type='PackCrowdInputs')]

train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        part='A',
        hold_out=hold_out,
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        part='A',
        hold_out=hold_out,
        pipeline=test_pipeline))
test_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        part='A',
        pipeline=test_pipeline))

# UCF-QNRF: 1,201 images to train, 334 to test. The paper does not give its
# crop, batch size and resizing; these are DM-Count's, the 15 x 15 Gaussian
# with sigma 4 is C^3 Framework's. Errors are measured on resized images, as in
# most work: counts do not depend on it.
_base_ = './crowd_loaders.py'

dataset_type = 'UCFQNRF'
data_root = 'data/UCF-QNRF_ECCV18'
# Checkpoints are chosen on a tenth of the training set, never on the test
# set. To train on all of it: hold_out = 0 and no val_dataloader, val_cfg and
# val_evaluator.
hold_out = 0.1

# The points belong to the image without the rotation that EXIF may ask for.
load_image = dict(type='LoadPicture', upright=False)
# The shorter side, not the longer one.
resize = dict(type='ResizeCrowd', shorter_side=(512, 2048))
train_pipeline = [
    load_image,
    resize,
    dict(type='RandomCropCrowd', crop_size=512),
    dict(type='RandomFlipCrowd', prob=0.5),
    dict(type='GenerateDensityMap', kernel_size=15, sigma=4),
    dict(type='PackCrowdInputs'),
]
test_pipeline = [load_image, resize, dict(type='PackCrowdInputs')]

train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        hold_out=hold_out,
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        hold_out=hold_out,
        pipeline=test_pipeline))
test_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pipeline=test_pipeline))

# NWPU-Crowd: 5,109 images of which 3,609 are annotated, with an official val
# split. The paper does not use it; crop, batch size and resizing are
# DM-Count's, the 15 x 15 Gaussian with sigma 4 is C^3 Framework's.
_base_ = './crowd_loaders.py'

dataset_type = 'NWPUCrowd'
data_root = 'data/NWPU-Crowd'

# The points belong to the image without the rotation that EXIF may ask for.
load_image = dict(type='LoadPicture', upright=False)
resize = dict(
    type='ResizeCrowd',
    shorter_side=(384, 1920),
    longer_side=1920,
    size_divisor=16)
train_pipeline = [
    load_image,
    resize,
    dict(type='RandomCropCrowd', crop_size=384),
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
        type=dataset_type, data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        pipeline=test_pipeline))
# The annotation of the test split is not public: results are of val.
test_dataloader = val_dataloader
val_evaluator = dict(levels=('crowd_level', 'illumination'))
test_evaluator = val_evaluator

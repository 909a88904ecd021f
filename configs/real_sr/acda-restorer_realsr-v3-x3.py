# LR images of V3 are 3 times smaller than HR.
_base_ = './acda-restorer_realsr-v2-x3.py'

data_root = 'data/RealSR(V3)'
load = dict(type='LoadImagePair', scale=3)
train_pipeline = [load, *_base_.train_pipeline[1:]]
val_pipeline = [load, *_base_.val_pipeline[1:]]
train_dataloader = dict(
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=val_pipeline))
test_dataloader = val_dataloader

model = dict(generator=dict(upscale=3))

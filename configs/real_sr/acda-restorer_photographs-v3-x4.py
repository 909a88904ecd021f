# The same with small LR images, for the restorer that enlarges.
_base_ = './acda-restorer_photographs-x4.py'

load = dict(type='LoadImagePair', scale=4, cache=True)
train_pipeline = [load, *_base_.train_pipeline[1:]]
val_pipeline = [load, *_base_.val_pipeline[1:]]
train_dataloader = dict(
    dataset=dict(layout='realsr_v3', dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(
    dataset=dict(layout='realsr_v3', dataset=dict(pipeline=val_pipeline)))
test_dataloader = val_dataloader

model = dict(generator=dict(upscale=4))

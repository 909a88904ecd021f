_base_ = [
    '../_base_/models/lenet.py',
    '../_base_/datasets/digits.py',
    '../_base_/default_runtime.py',
]

model = dict(backbone=dict(in_channels=1, input_size=20))

# 20 x 20 pixels are enough for LeNet's two 5 x 5 convolutions.
train_pipeline = [
    dict(type='Resize', scale=(20, 20)),
    dict(type='RandomCrop', crop_size=20, padding=1),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='GreyImage'),  # inferencers read files in colour
    dict(type='Resize', scale=(20, 20)),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(by_epoch=True, max_epochs=15, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=0.004, weight_decay=0.01))
param_scheduler = dict(
    type='CosineAnnealingLR',
    T_max=15,
    by_epoch=True,
    convert_to_iter_based=True)

default_hooks = dict(
    logger=dict(interval=21),
    checkpoint=dict(interval=15))
randomness = dict(seed=0)

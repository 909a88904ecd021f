_base_ = [
    '../_base_/models/ad_resnet_cifar.py',
    '../_base_/datasets/digits.py',
    '../_base_/default_runtime.py',
]

# The digits are 8 x 8 pixels enlarged to 32 x 32: pooling loses nothing.
model = dict(backbone=dict(in_channels=1, max_pool=True))

max_epochs = 30
optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=20),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=max_epochs))
auto_scale_lr = dict(base_batch_size=64)
randomness = dict(seed=0)

# Half the widths and blocks of Ad-ResNet-s, with its max-pool: cells are
# large, photographs few, and a CPU is enough.
_base_ = [
    '../_base_/models/ad_resnet_counter.py', '../_base_/datasets/bccd.py',
    '../_base_/counting_runtime.py'
]

model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(
        _delete_=True,
        type='AdResNet',
        arch=dict(
            stage_widths=(32, 64, 128, 256), stage_blocks=(1, 1, 1, 1)),
        stem_channels=32),
    head=dict(in_channels=256, channels=(128, 64, 32)))

max_epochs = 40
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(interval=5))
randomness = dict(seed=0)

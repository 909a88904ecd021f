# Narrower than the counter that it is made of, so that it is below 1 MiB.
_base_ = '../counting/ad-resnet-xs-spread_1xb8_bccd.py'

model = dict(
    backbone=dict(
        arch=dict(stage_widths=(24, 48, 80, 160)), stem_channels=24),
    head=dict(in_channels=160, channels=(80, 48, 24)))

max_epochs = 40
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=50, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
default_hooks = dict(
    checkpoint=dict(interval=1, save_best=None, max_keep_ckpts=1))

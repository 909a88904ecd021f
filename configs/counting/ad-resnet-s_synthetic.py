# From scratch, on drawn crowds: data and training take minutes on 2 cores.
_base_ = [
    '../_base_/models/ad_resnet_counter.py',
    '../_base_/datasets/crowd_synthetic.py', '../_base_/counting_runtime.py'
]

max_epochs = 60
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=10)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True),
]
randomness = dict(seed=0)

# From scratch, on drawn crowds: data and training take minutes on 2 cores.
_base_ = [
    '../_base_/models/ad_resnet_counter.py',
    '../_base_/datasets/crowd_synthetic.py', '../_base_/counting_runtime.py'
]

train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.1, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max=30, convert_to_iter_based=True),
]
randomness = dict(seed=0)

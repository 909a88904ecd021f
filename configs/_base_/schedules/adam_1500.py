# Minutes on a CPU.
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=1500, val_interval=1500)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.02, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, T_max=1500, eta_min=1e-6)
]
randomness = dict(seed=0)

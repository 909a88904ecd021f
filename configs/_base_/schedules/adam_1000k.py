# Adam at a constant rate, as LP-KPN; the ACDA paper gives no schedule.
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=1_000_000, val_interval=20_000)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')
optim_wrapper = dict(
    constructor='DefaultOptimWrapperConstructor',
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, betas=(0.9, 0.999)))

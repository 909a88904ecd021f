# VDNet's: 50 epochs of 5000 iterations, batches of 64.
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=250_000, val_interval=5000)
val_cfg = dict(type='MultiValLoop')
test_cfg = dict(type='MultiTestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-4))
param_scheduler = dict(
    type='MultiStepLR',
    by_epoch=False,
    milestones=[
        50_000, 100_000, 125_000, 150_000, 175_000, 200_000, 225_000
    ],
    gamma=0.5)

# Trained on one core of a CPU, with noise of many strengths and of a camera.
_base_ = [
    '../_base_/models/acda_restorer.py',
    '../_base_/datasets/clean_photographs.py',
    '../_base_/mmagic_runtime.py'
]

model = dict(
    generator=dict(
        mid_channels=48,
        num_blocks=5,
        acda_cfg=dict(atom_generator=dict(bias_spread=1.0))),
    pixel_loss=dict(_delete_=True, type='L1Loss', loss_weight=1.0))

# A cosine that is left half-way for a straight line to zero.
max_iters, turn = 3000, 2250
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', by_epoch=False, start_factor=0.02, end=100),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        T_max=4000,
        end=turn,
        eta_min=1e-6),
    dict(
        type='LinearLR',
        by_epoch=False,
        start_factor=1,
        end_factor=0.002,
        begin=turn,
        end=max_iters),
]
default_hooks = dict(
    checkpoint=dict(interval=250, save_best=None, max_keep_ckpts=1),
    logger=dict(interval=50))
randomness = dict(seed=0)

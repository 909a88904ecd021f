# One ACDA layer on four images in random order, a checkpoint after each two
# steps: an iteration-based training that a kill finds writing.
_base_ = '../../configs/patterns/acda_patterns.py'

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(type='MultiScalePatterns', size=48, num_patterns=6, seed=seed)
            for seed in range(4)
        ]),
    sampler=dict(shuffle=True))
generator = dict(norm_cfg=dict(type='BN', _delete_=True))
model = dict(conv_cfg=dict(atom_generator=generator))
train_cfg = dict(max_iters=24)
param_scheduler = dict(T_max=24)
default_hooks = dict(
    logger=dict(interval=2), checkpoint=dict(interval=2, max_keep_ckpts=1))

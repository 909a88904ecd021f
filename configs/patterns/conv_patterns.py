# Section 3.3 and Figure 6 of the paper: one training image, one layer. The
# paper gives neither the learning rate nor the sizes of patterns and kernel.
custom_imports = dict(
    imports=['mmacda', 'mmacda.patches'], allow_failed_imports=False)

dataset = dict(type='MultiScalePatterns')
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    dataset=dataset,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='InfiniteSampler', shuffle=False))

model = dict(
    type='PatternDetector', conv_cfg=dict(type='Conv2d'), kernel_size=7)

train_cfg = dict(by_epoch=False, max_iters=500)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.005, momentum=0.9))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=False, T_max=500, eta_min=1e-6)

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(type='WholeCheckpointHook', interval=500, by_epoch=False))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)

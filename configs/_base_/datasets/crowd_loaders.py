# What the loaders of crowds have in common; a dataset says what it loads, and
# with how many workers where they are not few.
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(split='train'),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(split='val', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(split='test', test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='CountingMetric')
test_evaluator = val_evaluator

# LeNet + ACDA on 64 digits, 4 steps per epoch, a checkpoint after each. The
# order of the data is random, but nothing else: a resumed training equals an
# uninterrupted one.
_base_ = '../../configs/lenet/lenet-acda_digits.py'

train_dataloader = dict(
    batch_size=16,
    dataset=dict(pipeline={{_base_.test_pipeline}}, indices=64))
val_dataloader = dict(dataset=dict(indices=16))
train_cfg = dict(max_epochs=60, val_interval=1)
param_scheduler = dict(T_max=60)
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best='auto'))

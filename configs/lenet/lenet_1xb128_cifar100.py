# Table 1 of the paper. Its schedule is not given: this is the one that its
# first author uses for LeNet elsewhere (SGD with Nesterov momentum, 350
# epochs, steps at 150 and 250), with a learning rate of 0.01, our choice for
# a network without batch normalization.
_base_ = [
    'mmpretrain::_base_/datasets/cifar100_bs16.py',
    '../_base_/default_runtime.py'
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='ACDALeNet', conv_type='conv'),
    head=dict(
        type='LinearClsHead',
        num_classes=100,
        in_channels=84,
        loss=dict(type='CrossEntropyLoss')))

train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=128)
test_dataloader = dict(batch_size=128)

train_cfg = dict(by_epoch=True, max_epochs=350, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[150, 250], gamma=0.1)
auto_scale_lr = dict(base_batch_size=128)

default_hooks = dict(
    checkpoint=dict(interval=10, max_keep_ckpts=2, save_best='auto'))

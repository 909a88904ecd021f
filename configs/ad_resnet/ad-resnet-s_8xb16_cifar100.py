_base_ = [
    '../_base_/models/ad_resnet_cifar.py',
    'mmpretrain::_base_/datasets/cifar100_bs16.py',
    'mmpretrain::_base_/schedules/cifar10_bs128.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=100))

# mmpretrain's recipe for CIFAR-100.
optim_wrapper = dict(optimizer=dict(weight_decay=0.0005))
param_scheduler = dict(milestones=[60, 120, 160], gamma=0.2)

_base_ = './lenet_1xb128_cifar100.py'

model = dict(backbone=dict(conv_type='acda'))

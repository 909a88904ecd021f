_base_ = './ad-resnet-s_8xb16_cifar100.py'

model = dict(backbone=dict(conv_type='conv'))

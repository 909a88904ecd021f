_base_ = './ad-resnet-s_8xb16_cifar10.py'

model = dict(backbone=dict(conv_type='conv'))

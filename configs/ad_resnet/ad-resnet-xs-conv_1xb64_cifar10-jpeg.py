_base_ = './ad-resnet-xs_1xb64_cifar10-jpeg.py'
model = dict(backbone=dict(conv_type='conv'))

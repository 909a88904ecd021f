_base_ = './ad-resnet-xs_1xb64_cifar10-jpeg.py'
model = dict(backbone=dict(acda_cfg=dict(atom_generator='light')))

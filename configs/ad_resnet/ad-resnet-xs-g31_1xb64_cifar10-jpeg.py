# A lighter generator: 3x3 and 1x1.
_base_ = './ad-resnet-xs_1xb64_cifar10-jpeg.py'
model = dict(
    backbone=dict(
        acda_cfg=dict(atom_generator=dict(kernel_size=(3, 1)))))

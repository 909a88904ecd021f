# A lighter generator: 1x1 and 1x1.
_base_ = './lenet-acda_1xb64_cifar10-jpeg.py'

model = dict(
    backbone=dict(
        acda_cfg=dict(atom_generator=dict(kernel_size=(1, 1)))))

# Filters that are partly the same at every pixel from the first step on.
_base_ = './lenet-acda_1xb64_cifar10-jpeg.py'

model = dict(
    backbone=dict(acda_cfg=dict(atom_generator=dict(bias_spread=1.0))))

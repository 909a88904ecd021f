# The authors' generator: 3x3 and 3x3.
_base_ = './lenet_1xb64_cifar10-jpeg.py'

model = dict(backbone=dict(conv_type='acda'))

# As many parameters as LeNet + ACDA with the authors' generator.
_base_ = './lenet_1xb64_cifar10-jpeg.py'

model = dict(backbone=dict(widths=(16, 40)))

# As many multiply-adds as LeNet + ACDA with the authors' generator.
_base_ = './lenet_1xb64_cifar10-jpeg.py'

model = dict(backbone=dict(widths=(73, 197)))

# A rival that costs what the authors' generator costs: a 3x3 twin as wide as
# it takes to have as many multiply-adds, and more parameters.
_base_ = './ad-resnet-xs-conv_1xb64_cifar10-jpeg.py'
model = dict(
    backbone=dict(
        arch=dict(stage_widths=(22, 42, 172, 344)), stem_channels=22),
    head=dict(in_channels=344))

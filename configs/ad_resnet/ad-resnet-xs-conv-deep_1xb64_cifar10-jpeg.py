# A rival that costs what the authors' generator costs: a 3x3 twin as deep as
# it takes to have as many multiply-adds. Its last stages see further, too.
_base_ = './ad-resnet-xs-conv_1xb64_cifar10-jpeg.py'
model = dict(backbone=dict(arch=dict(stage_blocks=(1, 1, 5, 4))))

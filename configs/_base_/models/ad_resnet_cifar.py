# Ad-ResNet-s for images of 32 x 32 pixels: 3x3 stem, no max-pool.
_base_ = './ad_resnet.py'

model = dict(
    backbone=dict(cifar_stem=True, max_pool=False),
    head=dict(num_classes=10, topk=(1, )))

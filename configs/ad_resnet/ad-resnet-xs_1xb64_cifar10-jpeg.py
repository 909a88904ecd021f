# Small enough for a CPU: half the widths of Ad-ResNet-s below, one block in
# each ordinary stage. The atom generator is the authors', 3x3 and 3x3.
_base_ = [
    '../_base_/models/ad_resnet_cifar.py',
    '../_base_/datasets/cifar10_jpeg.py',
    '../_base_/schedules/sgd_10e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='AdResNet',
        arch=dict(
            stage_widths=(16, 32, 128, 256), stage_blocks=(1, 1, 2, 2)),
        stem_channels=16,
        cifar_stem=True,
        max_pool=False),
    head=dict(in_channels=256))
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
randomness = dict(seed=0)

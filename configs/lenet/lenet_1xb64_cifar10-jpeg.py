_base_ = [
    '../_base_/models/lenet.py',
    '../_base_/datasets/cifar10_jpeg.py',
    '../_base_/schedules/sgd_10e.py',
    '../_base_/default_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
randomness = dict(seed=0)

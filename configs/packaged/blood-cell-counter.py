# Narrower than the counter that it is made of, so that it is below 1 MiB.
_base_ = '../counting/ad-resnet-xs-spread_1xb8_bccd.py'

model = dict(
    backbone=dict(
        arch=dict(stage_widths=(24, 48, 80, 160)), stem_channels=24),
    head=dict(in_channels=160, channels=(80, 48, 24)))

default_hooks = dict(
    checkpoint=dict(interval=1, save_best=None, max_keep_ckpts=1))

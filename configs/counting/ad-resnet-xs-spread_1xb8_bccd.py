# Filters that are partly the same at every pixel from the first step on.
_base_ = './ad-resnet-xs_1xb8_bccd.py'
model = dict(
    backbone=dict(acda_cfg=dict(atom_generator=dict(bias_spread=1.0))))

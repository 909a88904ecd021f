# The paper's baseline: 3x3 convolutions in place of the adaptive ones.
_base_ = './ad_resnet_counter_in1k.py'
model = dict(
    backbone=dict(
        conv_type='conv',
        init_cfg=dict(
            checkpoint='checkpoints/ad-resnet-s-conv_8xb32_in1k.pth')))

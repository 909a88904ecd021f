_base_ = './ad_resnet_counter_in1k.py'
model = dict(
    backbone=dict(
        arch='m',
        init_cfg=dict(checkpoint='checkpoints/ad-resnet-m_8xb32_in1k.pth')),
    head=dict(in_channels=1024))

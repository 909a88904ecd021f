# Starts from Ad-ResNet-s trained on ImageNet. To start from scratch:
# --cfg-options model.backbone.init_cfg=None
_base_ = './ad_resnet_counter.py'
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/ad-resnet-s_8xb32_in1k.pth',
            prefix='backbone.')))

# CondConv-s: EfficientNet-CondConv-B0 with 4 experts, of stride 32, through
# mmpretrain. model.backbone.pretrained=True fetches its ImageNet weights, as
# the paper did; False needs no network.
_base_ = './ad_resnet_counter.py'
model = dict(
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        pad_size_divisor=32),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.TIMMBackbone',
        model_name='tf_efficientnet_cc_b0_4e',
        features_only=True,
        pretrained=False),
    head=dict(
        in_channels=320,
        channels=(256, 128, 64, 64),
        strides=(2, 2, 2, 2)))

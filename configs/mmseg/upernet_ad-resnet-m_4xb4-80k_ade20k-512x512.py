_base_ = [
    'mmseg::upernet/upernet_r50_4xb4-80k_ade20k-512x512.py',
    '../_base_/custom_imports.py'
]

model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='AdResNet',
        arch='m',
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(in_channels=[64, 128, 512, 1024]),
    auxiliary_head=dict(in_channels=512))

_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    '../_base_/custom_imports.py'
]

model = dict(
    backbone=dict(
        _delete_=True, type='AdResNet', arch='m', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[64, 128, 512, 1024]))

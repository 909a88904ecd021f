_base_ = [
    'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
    '../_base_/custom_imports.py'
]

model = dict(
    backbone=dict(
        _delete_=True, type='AdResNet', arch='s', out_indices=(0, 1, 2, 3)))

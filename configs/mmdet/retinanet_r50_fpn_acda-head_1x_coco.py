_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    '../_base_/custom_imports.py'
]

model = dict(
    bbox_head=dict(conv_cfg=dict(type='ACDAConv', scales=(3, 5, 7))))

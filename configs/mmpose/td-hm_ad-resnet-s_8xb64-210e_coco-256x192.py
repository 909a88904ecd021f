_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_res50_8xb64-210e_coco-256x192.py',
    '../_base_/custom_imports.py'
]

model = dict(
    backbone=dict(_delete_=True, type='AdResNet', arch='s'),
    head=dict(in_channels=512))

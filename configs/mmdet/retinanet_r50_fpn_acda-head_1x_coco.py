_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    '../_base_/custom_imports.py'
]

# The head is shared by five maps, the smallest of which may be one pixel:
# batch statistics would mix them.
model = dict(
    bbox_head=dict(
        conv_cfg=dict(
            type='ACDAConv',
            scales=(3, 5, 7),
            atom_generator=dict(norm_cfg=dict(type='GN', num_groups=2)))))

_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    '../_base_/custom_imports.py'
]

# The unfrozen 3x3 of the pretrained backbone. norm_eval keeps batch norms in
# eval mode: the generators get a norm without statistics.
model = dict(
    type='WithReplacedConvs',
    original='FasterRCNN',
    replace=dict(
        include=r'backbone\.layer[234]\..*conv2',
        init='project',
        conv_cfg=dict(
            type='ACDAConv',
            scales=(3, 5, 7),
            atom_generator=dict(norm_cfg=dict(type='GN', num_groups=2)))))

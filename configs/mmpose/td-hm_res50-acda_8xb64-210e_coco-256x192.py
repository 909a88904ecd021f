_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_res50_8xb64-210e_coco-256x192.py',
    '../_base_/custom_imports.py'
]

# The 3x3 of the pretrained backbone's two deep stages.
model = dict(
    type='WithReplacedConvs',
    original='TopdownPoseEstimator',
    replace=dict(
        include=r'backbone\.layer[34]\..*conv2',
        init='project',
        conv_cfg=dict(type='ACDAConv', scales=(3, 5, 7))))

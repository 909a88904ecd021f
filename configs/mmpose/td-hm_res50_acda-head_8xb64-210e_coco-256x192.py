_base_ = [
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_res50_8xb64-210e_coco-256x192.py',
    '../_base_/custom_imports.py'
]

# Heads of mmpose take the last layer's type instead of a conv_cfg.
model = dict(
    head=dict(
        final_layer=dict(
            type='ACDAConv', kernel_size=3, padding=1, scales=(3, 5, 7))))

_base_ = [
    'mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py',
    '../_base_/custom_imports.py'
]

model = dict(
    decode_head=dict(conv_cfg=dict(type='ACDAConv', scales=(3, 5, 7))))

_base_ = [
    'mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py',
    '../_base_/custom_imports.py'
]

# The 3x3 of the pretrained backbone's two dilated stages.
model = dict(
    type='WithReplacedConvs',
    original='EncoderDecoder',
    replace=dict(
        include=r'backbone\.layer[34]\..*conv2',
        init='project',
        conv_cfg=dict(type='ACDAConv', scales=(3, 5, 7))))

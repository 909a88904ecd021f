_base_ = './ad-resnet-xs_1xb8_bccd.py'
model = dict(backbone=dict(conv_type='conv'))

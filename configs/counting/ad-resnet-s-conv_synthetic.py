_base_ = './ad-resnet-s_synthetic.py'
model = dict(backbone=dict(conv_type='conv'))

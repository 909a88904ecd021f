_base_ = './ad-resnet-l_8xb32_in1k.py'

# The paper's baseline: 3x3 convolutions in place of ACDA.
model = dict(backbone=dict(conv_type='conv'))

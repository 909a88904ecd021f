_base_ = './lenet_digits.py'

model = dict(backbone=dict(conv_type='acda'))

_base_ = './ad-resnet-s_8xb32_in1k.py'

model = dict(backbone=dict(arch='l'), head=dict(in_channels=1024))

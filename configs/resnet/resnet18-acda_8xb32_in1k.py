# An existing config with every convolution adaptive: two changes.
_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'

custom_imports = dict(
    imports=['mmacda', 'mmacda.patches'], allow_failed_imports=False)
model = dict(backbone=dict(conv_cfg=dict(type='ACDAConv')))

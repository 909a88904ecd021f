_base_ = [
    'mmagic::srgan_resnet/msrresnet_x4c64b16_1xb16-1000k_div2k.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

model = dict(_delete_=True, type='ReplaceConvs', model={{_base_.model}})

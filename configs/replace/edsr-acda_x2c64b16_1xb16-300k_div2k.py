_base_ = [
    'mmagic::edsr/edsr_x2c64b16_1xb16-300k_div2k.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

model = dict(_delete_=True, type='ReplaceConvs', model={{_base_.model}})

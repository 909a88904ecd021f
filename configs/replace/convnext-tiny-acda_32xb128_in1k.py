_base_ = [
    'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

model = dict(_delete_=True, type='ReplaceConvs', model={{_base_.model}})

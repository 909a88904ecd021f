_base_ = [
    'mmpretrain::mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

model = dict(_delete_=True, type='ReplaceConvs', model={{_base_.model}})

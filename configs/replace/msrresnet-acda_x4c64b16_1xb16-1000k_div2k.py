_base_ = [
    'mmagic::srgan_resnet/msrresnet_x4c64b16_1xb16-1000k_div2k.py',
    '../_base_/custom_imports.py'
]

model = dict(_delete_=True, type='ReplaceConvs', model={{_base_.model}})
# mmagic's own hook for pictures builds the training set in a test.
default_hooks = dict(visualization=dict(type='RestorationVisualizationHook'))
custom_hooks = []

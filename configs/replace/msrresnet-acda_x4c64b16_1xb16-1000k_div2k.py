_base_ = [
    'mmagic::srgan_resnet/msrresnet_x4c64b16_1xb16-1000k_div2k.py',
    '../_base_/custom_imports.py'
]

# mmagic's own hook for pictures builds the training set in a test.
default_hooks = dict(
    checkpoint=dict(type='WholeCheckpointHook'),
    visualization=dict(type='RestorationVisualizationHook'))
custom_hooks = []

# In super-resolution no gain of ACDA was seen: the cheapest generator.
model = dict(
    type='WithReplacedConvs',
    original='BaseEditModel',
    replace=dict(conv_cfg=dict(type='ACDAConv', atom_generator='light')))

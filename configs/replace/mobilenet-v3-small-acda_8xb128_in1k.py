_base_ = [
    'mmpretrain::mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

# A generator reads all channels, however few each convolution does: the default
# one, 'medium', would cost several times what it serves.
model = dict(
    type='WithReplacedConvs',
    original='ImageClassifier',
    replace=dict(conv_cfg=dict(type='ACDAConv', atom_generator='light')))

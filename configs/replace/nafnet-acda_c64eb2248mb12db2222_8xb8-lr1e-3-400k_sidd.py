_base_ = [
    'mmagic::nafnet/nafnet_c64eb2248mb12db2222_8xb8-lr1e-3-400k_sidd.py',
    '../_base_/custom_imports.py'
]

default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

# Its 3x3 depthwise convolutions. A generator reads all channels, however few
# each convolution does: the default one, 'medium', would cost several times what
# it serves.
model = dict(
    type='WithReplacedConvs',
    original='BaseEditModel',
    replace=dict(
        include=r'\.conv2$',
        conv_cfg=dict(type='ACDAConv', atom_generator='light')))

# The original trains on BGR and validates on RGB.
train_pipeline = [
    dict(type='LoadImageFromFile', key='img', channel_order='rgb'),
    dict(type='LoadImageFromFile', key='gt', channel_order='rgb'),
    *_base_.train_pipeline[2:]
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# mmagic's own hook for pictures builds the training set in a test.
default_hooks = dict(visualization=dict(type='RestorationVisualizationHook'))
custom_hooks = []

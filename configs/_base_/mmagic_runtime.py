# mmagic's runtime, with mmacda imported, checkpoints in the work folder, and
# pictures (input, restored, ground truth) of the test alone. mmagic's own hook
# for them, which is switched off, builds the training set in a test.
_base_ = ['mmagic::_base_/default_runtime.py', './custom_imports.py']

default_hooks = dict(
    checkpoint=dict(
        type='WholeCheckpointHook',
        out_dir=None,
        max_keep_ckpts=3,
        save_best='PSNR',
        rule='greater'),
    visualization=dict(type='RestorationVisualizationHook'))
custom_hooks = []

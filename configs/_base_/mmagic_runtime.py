# mmagic's runtime, with mmacda imported, checkpoints in the work folder, and
# pictures (ground truth, input, prediction) of the test alone.
_base_ = ['mmagic::_base_/default_runtime.py', './custom_imports.py']

default_hooks = dict(
    checkpoint=dict(
        type='WholeCheckpointHook',
        out_dir=None,
        max_keep_ckpts=3,
        save_best='PSNR',
        rule='greater'))
custom_hooks = [
    dict(type='BasicVisualizationHook', interval=1, on_val=False)
]

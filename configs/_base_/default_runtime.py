# Every config of this repository starts here: it imports mmacda, which fills
# the registries, and what it replaces in MMEngine, on top of mmpretrain's own
# defaults.
_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(
    imports=['mmacda', 'mmacda.patches'], allow_failed_imports=False)
default_hooks = dict(checkpoint=dict(type='WholeCheckpointHook'))

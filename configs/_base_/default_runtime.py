# Every config of this repository starts here: it imports mmacda, which fills
# the registries, on top of mmpretrain's own defaults.
_base_ = 'mmpretrain::_base_/default_runtime.py'

custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)

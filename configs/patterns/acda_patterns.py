_base_ = './conv_patterns.py'

# One image has no batch statistics worth the name: no norm in the generator.
model = dict(
    conv_cfg=dict(
        type='ACDAConv', atom_generator=dict(norm_cfg=None), _delete_=True))

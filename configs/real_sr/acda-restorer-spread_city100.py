# Filters that are partly the same at every pixel from the first step on.
_base_ = './acda-restorer_city100.py'

model = dict(
    generator=dict(acda_cfg=dict(atom_generator=dict(bias_spread=1.0))))

# Table B: 15 atoms.
_base_ = './acda-restorer_realsr-v2-x3.py'

model = dict(generator=dict(acda_cfg=dict(num_atoms=15)))

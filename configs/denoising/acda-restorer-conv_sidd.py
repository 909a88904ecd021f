# The baseline: 3x3 convolutions in place of ACDA.
_base_ = './acda-restorer_sidd.py'

model = dict(generator=dict(conv_type='conv'))

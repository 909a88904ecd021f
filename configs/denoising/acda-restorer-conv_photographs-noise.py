_base_ = './acda-restorer_photographs-noise.py'

model = dict(generator=dict(conv_type='conv'))

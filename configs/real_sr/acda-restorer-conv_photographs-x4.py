_base_ = './acda-restorer_photographs-x4.py'

model = dict(generator=dict(conv_type='conv'))

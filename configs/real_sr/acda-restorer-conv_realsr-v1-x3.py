_base_ = './acda-restorer_realsr-v1-x3.py'

model = dict(generator=dict(conv_type='conv'))

_base_ = './acda-restorer_realsr-v2-x2.py'

model = dict(generator=dict(conv_type='conv'))

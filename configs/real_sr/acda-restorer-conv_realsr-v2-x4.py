_base_ = './acda-restorer_realsr-v2-x4.py'

model = dict(generator=dict(conv_type='conv'))

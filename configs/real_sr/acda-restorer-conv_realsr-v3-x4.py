_base_ = './acda-restorer_realsr-v3-x4.py'

model = dict(generator=dict(conv_type='conv'))
